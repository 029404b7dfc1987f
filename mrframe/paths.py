"""Where this package lies on disk: the one place that works it out, so that modules may move between folders.

Not here: any path of a user's, or of what a run keeps.
"""

from __future__ import annotations

import os

PACKAGE_DIR = os.path.dirname(os.path.abspath(__file__))
"""The folder `mrframe`, without a separator at its end."""

PROJECT_DIR = os.path.dirname(PACKAGE_DIR)
"""The folder that holds the package: `site-packages`, or the top of a checkout."""


def samples_folder() -> str | None:
    """The folder of the sample logs, or None: in the package as a wheel has it, or beside it in a checkout."""
    folders = (os.path.join(parent, "sample_logs") for parent in (PACKAGE_DIR, PROJECT_DIR))
    return next((folder for folder in folders if os.path.isfile(os.path.join(folder, "access.log"))), None)


def python_path() -> str:
    """PYTHONPATH for a process of this Python that is to import this very package."""
    return os.pathsep.join(filter(None, (PROJECT_DIR, os.environ.get("PYTHONPATH"))))
