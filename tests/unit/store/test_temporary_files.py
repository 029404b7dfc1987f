"""Files of one attempt: they have a quota, and closed ones do not count."""

import pytest

from mrframe.errors import TooMuchScratch
from mrframe.store.attempt_files import TemporaryFiles


def write(files, size):
    file = files.make()
    file.write(b"x" * size)
    file.flush()
    return file


def test_another_file_is_refused_when_the_open_ones_are_too_large(tmp_path):
    with TemporaryFiles(str(tmp_path / "attempt"), bytes_max=100) as files:
        write(files, 60)
        last = write(files, 60)
        with pytest.raises(TooMuchScratch, match=r"120 bytes .* --scratch-bytes-max allows 100"):
            files.make()
        last.close()
        write(files, 10)
