"""How the property tests draw their examples: the same ones each time, unless asked to explore.

`make test` has to say the same of the same commit, wherever it runs. `make chaos` draws new examples on each run
(`--hypothesis-profile=explore`), and what it finds becomes a test of its own.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile("fixed")
