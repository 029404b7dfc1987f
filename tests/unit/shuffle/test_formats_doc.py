"""docs/formats.md says what is really written: every example on it is made again here."""

import io
import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from mrframe.shuffle.columns import decode, encode
from mrframe.shuffle.keys import canonical
from mrframe.shuffle.partition import slot_column
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter

PAGE = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
NAMES = {"date": date, "datetime": datetime, "timedelta": timedelta, "timezone": timezone, "Decimal": Decimal}


def examples(heading: str) -> list[tuple[object, bytes]]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"\| `([^|]+)` \| `([0-9a-f ]+)` \|$", section, re.MULTILINE)
    return [(eval(value, NAMES), bytes.fromhex(shown)) for value, shown in rows]


def test_canonical_bytes_are_those_of_the_table():
    shown = examples("The identity of a key")
    assert len(shown) == 11
    assert [(key, canonical(key)) for key, _ in shown] == shown


def test_columns_are_those_of_the_tables():
    shown = examples("A column")
    assert len(shown) == 20  # 13 columns and 7 extensions
    assert [(column, encode(column)) for column, _ in shown] == shown
    assert [decode(data, unpickle=False) for _, data in shown] == [column for column, _ in shown]


def test_the_run_file_by_hand_is_what_the_writer_writes():
    listing = re.search(r"```hex\n(.*?)```", PAGE, re.DOTALL)[1]
    by_hand = bytes.fromhex("".join(line[:38] for line in listing.splitlines()))
    file = io.BytesIO()
    writer = RunWriter(file, slots=256)
    writer.add_run(["/b", "/", "/b"], [1, 3, 2])
    writer.close()
    assert file.getvalue() == by_hand
    reader = RunReader(io.BytesIO(by_hand), "by hand", unpickle=False)
    assert slot_column(["/b", "/"], "s", 256) == [24, 238] == reader.slots_present()
    assert [list(stream) for slot in (24, 238) for stream in reader.streams(slot)] == [
        [("s", ["/b", "/b"], [1, 2])],
        [("s", ["/"], [3])],
    ]
