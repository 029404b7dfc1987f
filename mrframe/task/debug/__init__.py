"""Replays one failed record, and finds the lines behind a key."""
