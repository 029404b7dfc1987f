"""From a job and the names of inputs to a plan."""
