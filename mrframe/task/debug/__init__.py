"""Runs one record again, and finds the lines behind a key."""
