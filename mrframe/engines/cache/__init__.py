"""Saved results, as a run uses them."""
