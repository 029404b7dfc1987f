"""The places where a job can run."""
