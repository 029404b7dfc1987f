"""Helpers for tests, ours and the users': simulated cluster, faults, pytest plugin."""
