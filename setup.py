"""Which packages a build carries. Everything else about the project is said in pyproject.toml.

The ready jobs lie in `jobs/` beside the package, in folders of their own too, and are installed as `mrframe.jobs`.
`packages.find` in pyproject.toml finds packages under the names of their folders only, so the list is made here.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

READY = Path("jobs")
FOLDERS = sorted({path.parent.relative_to(READY) for path in READY.rglob("*.py")})

setup(
    packages=[
        *find_packages(include=["mrframe", "mrframe.*"]),
        *(".".join(("mrframe.jobs", *f.parts)) for f in FOLDERS),
    ],
    package_dir={"mrframe.jobs": str(READY)},
)
