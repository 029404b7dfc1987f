"""A plugin of pytest: the tests use the kernel in the file that MRFRAME_TEST_KERNEL names. Loaded with `-p`."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys

from hypothesis import settings

NAME = "mrframe.kernel._kernel"
loader = importlib.machinery.ExtensionFileLoader(NAME, os.environ["MRFRAME_TEST_KERNEL"])
spec = importlib.util.spec_from_loader(NAME, loader)
assert spec is not None
sys.modules[NAME] = module = importlib.util.module_from_spec(spec)
loader.exec_module(module)
assert module.VECTORS == "none"
settings.register_profile("few", derandomize=True, max_examples=20)
