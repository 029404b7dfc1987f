"""What a build carries. Everything else about the project is said in pyproject.toml.

The ready jobs lie in `jobs/` beside the package, in folders of their own too, and are installed as `mrframe.jobs`.
The logs of `mrframe demo` lie in `sample_logs/`. `packages.find` in pyproject.toml finds packages under the names of
their folders only, so the list is made here. Left out are modules that only mrframe's own tests use.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

READY = Path("jobs")
FOLDERS = sorted({path.parent.relative_to(READY) for path in READY.rglob("*.py")})
OWN_TESTS = ("mrframe.testing.differential", "mrframe.testing.simulation")
LEFT_OUT = {"mrframe.sample_logs.make_samples", "mrframe.testing.manual_scheduler", "mrframe.testing.strategies"}


class BuildPy(build_py):
    """Builds all modules of the packages but those of `LEFT_OUT`."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Return (package, module, path) of each module of a package that is built."""
        found = super().find_package_modules(package, package_dir)
        return [one for one in found if f"{one[0]}.{one[1]}" not in LEFT_OUT]


setup(
    packages=[
        *find_packages(include=["mrframe", "mrframe.*"], exclude=[*OWN_TESTS, *(f"{name}.*" for name in OWN_TESTS)]),
        *(".".join(("mrframe.jobs", *f.parts)) for f in FOLDERS),
        "mrframe.sample_logs",
    ],
    package_dir={"mrframe.jobs": str(READY), "mrframe.sample_logs": "sample_logs"},
    package_data={
        "mrframe": ["py.typed"],
        "mrframe.kernel": ["_kernel.pyi"],
        "mrframe.sample_logs": ["access.log", "access.log.1", "access.log.2.gz"],
    },
    include_package_data=False,
    cmdclass={"build_py": BuildPy},
)
