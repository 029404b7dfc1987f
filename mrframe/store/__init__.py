"""What lies on disk: scratch directories and their locks."""
