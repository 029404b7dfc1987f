"""Running a job from Python: `run` gives a `Result`. The command line is a thin layer over this."""
