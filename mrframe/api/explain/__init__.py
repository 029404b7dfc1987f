"""Looking into runs that were kept, jobs, saved results and this machine."""
