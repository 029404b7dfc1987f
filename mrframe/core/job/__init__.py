"""Jobs as values."""

from mrframe.core.job.job import Job, Reader

__all__ = ["Job", "Reader"]
