"""Reduce tasks."""
