"""The one module that picks real parts: which reader, which cluster, which clock. It decides nothing else."""
