"""The form in which a key comes out does not depend on the keys beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from mrframe.shuffle.keys import kind_of, normal

EAST = timezone(timedelta(hours=2))
READING = datetime(2024, 10, 27, 2, 30, fold=1)


@pytest.mark.parametrize("zone", [None, EAST, UTC, ZoneInfo("Europe/Berlin")])
@pytest.mark.parametrize("beside", [[], ["text"], [(1, READING)], [READING], [READING.replace(tzinfo=EAST)]])
def test_fold_is_never_left(zone, beside):
    for key in (READING.replace(tzinfo=zone), (1, READING.replace(tzinfo=zone))):
        keys = [key, *beside]
        found = normal(keys, kind_of(keys))[0]
        one = found[1] if isinstance(found, tuple) else found
        assert (one.fold, one.utcoffset()) == (0, READING.replace(tzinfo=zone).utcoffset())
