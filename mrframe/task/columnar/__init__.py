"""Jobs over columns: conversion to and from Arrow, and maps that only pick columns."""
