"""Printing: answers, figures, progress, errors and exit codes."""
