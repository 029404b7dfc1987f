"""Datasets of a standing cluster, from its client."""
