"""Saved map results: which may be saved, and their identity."""
