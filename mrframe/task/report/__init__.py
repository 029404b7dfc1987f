"""What a task reports beside its output."""
