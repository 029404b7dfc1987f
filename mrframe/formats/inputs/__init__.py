"""Inputs: which files there are, how they are decompressed and split."""
