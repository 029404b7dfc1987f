"""Hypothesis profiles: the property tests draw the same examples each time, unless asked to explore.

`make test` must give the same result for the same commit, wherever it runs. `make chaos` draws new examples each time
(`--hypothesis-profile=explore`), and each finding becomes a test of its own.
"""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile("fixed")


@pytest.fixture(autouse=True, scope="session")
def places_of_their_own(tmp_path_factory):
    """Nothing that commands keep or save goes to the folders of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield
