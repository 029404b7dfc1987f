"""The digest of contents, with the extra and without."""

from __future__ import annotations

import sys
from hashlib import sha256
from importlib.util import find_spec

import pytest

from mrframe.formats.inputs.digest import algorithm, new_digest

EMPTY_BLAKE3 = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
"""From the test vectors of its specification."""


@pytest.fixture(autouse=True)
def chosen_anew():
    algorithm.cache_clear()
    yield
    algorithm.cache_clear()


@pytest.mark.skipif(find_spec("blake3") is None, reason="needs the extra")
def test_the_digest_is_blake3_with_the_extra():
    assert new_digest().hexdigest() == EMPTY_BLAKE3


def test_the_digest_is_sha_256_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "blake3", None)
    assert new_digest().hexdigest() == sha256().hexdigest()


def test_the_digest_is_of_all_bytes_however_they_are_cut():
    one, other = new_digest(), new_digest()
    one.update(b"a log")
    for byte in b"a log":
        other.update(bytes([byte]))
    assert one.hexdigest() == other.hexdigest() != new_digest().hexdigest()
