"""Reading logs into columns of fields, planning splits, and writing answers."""
