"""Printing: results, figures, progress, errors and exit codes."""
