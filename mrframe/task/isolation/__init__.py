"""Protects a process from a job's own code."""
