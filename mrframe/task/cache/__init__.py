"""Saved map results: when two are the same, and which may be saved."""
