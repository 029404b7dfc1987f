"""Looking into runs that were kept, jobs, cached results and this machine."""
