"""Ships a job's code and loads it."""
