"""Keys, partitions, run files, merge and group: pure, over file objects that callers open."""
