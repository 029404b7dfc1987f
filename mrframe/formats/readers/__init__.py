"""Readers: from blocks of bytes to columns of fields."""
