"""The file of a run's journal: what was appended is there, a part of a turn is cut off, and damage is noticed."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mrframe.errors import CorruptData, OutputError
from mrframe.store.run_journal import RunJournalFile

TURNS = [b"first", b"", b"x" * 5000, b"last"]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "journal")


def write(path, turns):
    file = RunJournalFile(path, new=True)
    for turn in turns:
        file.append(turn)
    file.close()


def read(path):
    file = RunJournalFile(path, new=False)
    file.close()
    return file.turns


def test_the_next_process_reads_what_was_appended_and_goes_on(path):
    write(path, TURNS)
    assert read(path) == TURNS
    write(path, [b"more"])
    assert read(path) == [*TURNS, b"more"]
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_a_part_of_a_turn_at_the_end_is_cut_off_wherever_it_breaks_off(path):
    write(path, TURNS[:2])
    before = os.path.getsize(path)
    write(path, [b"the third"])
    whole = Path(path).read_bytes()
    for size in range(before, len(whole)):
        with open(path, "wb") as file:
            file.write(whole[:size])
        assert read(path) == TURNS[:2]
        write(path, [b"another"])
        assert read(path) == [*TURNS[:2], b"another"]


def test_every_changed_byte_is_noticed(path):
    write(path, [b"first", b"second"])
    whole = Path(path).read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 4
        with open(path, "wb") as file:
            file.write(changed)
        with pytest.raises(CorruptData, match="is damaged"):
            read(path)


def test_a_journal_that_should_be_there_and_is_gone_is_an_error(path):
    with pytest.raises(CorruptData, match=f"the journal {path} is gone"):
        RunJournalFile(path, new=False)


def test_a_folder_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="cannot be made: its folder is gone"):
        RunJournalFile(str(tmp_path / "gone" / "journal"), new=True)


def test_a_turn_that_the_disk_refuses_is_not_kept_and_the_error_says_where(path):
    file = RunJournalFile(path, new=True)
    file.append(b"kept")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path) + 20, hard))
    try:
        with pytest.raises(OutputError, match=f"the journal {path} cannot be written: File too large"):
            file.append(b"x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.close()
    assert read(path) == [b"kept"]
    write(path, [b"also kept"])
    assert read(path) == [b"kept", b"also kept"]


def test_it_waits_for_a_process_that_still_has_it(path):
    """A master that is being killed may write a last turn."""
    program = (
        "import sys\n"
        "from mrframe.store.run_journal import RunJournalFile\n"
        "file = RunJournalFile(sys.argv[1], new=True)\n"
        "print('open', flush=True)\n"
        "sys.stdin.readline()\n"
        "file.append(b'its last')\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program, path], **pipes) as other:
        assert other.stdout.readline() == b"open\n"
        other.stdin.write(b"\n")
        other.stdin.close()
        assert read(path) == [b"its last"]
