"""Writes rows as text."""
