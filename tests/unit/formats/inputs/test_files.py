"""What an INPUT stands for, and the refusals: each names the thing, the state and the remedy."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import socket

import pytest

from mrframe.errors import ExtraMissing, InputError
from mrframe.formats.inputs.file_identity import state_of
from mrframe.formats.inputs.files import InputFile, expand


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """A folder of logs, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.log", "a.log", "sub/c.log", "sub/.hidden", "sub/_SUCCESS", ".git/config", "sub/deep/d.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def names(*inputs):
    return [f.name for f in expand(inputs)]


def test_a_file_is_itself_with_its_absolute_path_and_size(logs):
    state = state_of(os.stat("a.log"))
    assert expand(["a.log"]) == [InputFile(str(logs / "a.log"), "a.log", 5, "", is_stdin=False, state=state)]
    assert names("./b.log", str(logs / "a.log")) == ["./b.log", str(logs / "a.log")]


def test_arguments_keep_their_order(logs):
    assert names("b.log", "a.log", "-", "sub") == ["b.log", "a.log", "-", "sub/c.log", "sub/deep/d.log"]


def noted(*inputs):
    """(names of the files, notes)"""
    notes = []
    return [f.name for f in expand(inputs, note=notes.append)], notes


NAMED_AGAIN = {
    "same name": (["a.log", "a.log"], ["a.log"], ["a.log is given twice; it is read once"]),
    "dot path": (["a.log", "./a.log"], ["a.log"], ["./a.log is the same file as a.log; it is read once"]),
    "link first": (["current", "a.log"], ["current"], ["a.log is the same file as current; it is read once"]),
    "hard link": (["a.log", "hard.log"], ["a.log"], ["hard.log is the same file as a.log; it is read once"]),
    "globs": (["*.log", "a*"], ["a.log", "b.log"], ["hard.log is the same", "a.log is given twice"]),
    "absolute path": (["{logs}/b.log", "b.log"], ["{logs}/b.log"], ["b.log is the same file as /"]),
    "linked folder": (["sub/c.log", "same/c.log"], ["sub/c.log"], ["same/c.log is the same file as sub/c.log"]),
    "two files": (["a.log", "b.log"], ["a.log", "b.log"], []),
}


@pytest.mark.parametrize(("inputs", "files", "notes"), NAMED_AGAIN.values(), ids=NAMED_AGAIN.keys())
def test_a_file_is_read_once_whatever_its_names_are_and_a_note_says_so(logs, inputs, files, notes):
    os.link("a.log", "hard.log")
    os.symlink("a.log", "current")
    os.symlink("sub", "same")
    found, said = noted(*(argument.format(logs=logs) for argument in inputs))
    assert found == [name.format(logs=logs) for name in files]
    assert len(said) == len(notes)
    assert all(one.startswith(wanted) for one, wanted in zip(said, notes, strict=True))


def test_a_version_of_a_dataset_is_read_once_and_its_files_may_have_one_name():
    def stored(argument):
        place = "mrfs:logs@2" if argument == "mrfs:logs" else argument
        return [InputFile(place, f"{place}/a.log", size, is_stored=True) for size in (3, 3, 4)]

    notes = []
    found = expand(["mrfs:logs@2", "mrfs:logs", "mrfs:logs@1"], stored, notes.append)
    assert [(f.path, f.bytes) for f in found] == [(f"mrfs:logs@{n}", size) for n in (2, 1) for size in (3, 3, 4)]
    assert notes == ["mrfs:logs is given twice; it is read once"]


def test_a_link_within_a_folder_does_not_count_a_file_twice(logs):
    os.symlink("c.log", "sub/current")
    found, said = noted("sub")
    assert found == ["sub/c.log", "sub/deep/d.log"]
    assert said[-1] == "sub/current is the same file as sub/c.log; it is read once"


def test_two_files_of_the_same_bytes_are_two_files(logs):
    (logs / "copy.log").write_bytes((logs / "a.log").read_bytes())
    assert noted("a.log", "copy.log") == (["a.log", "copy.log"], [])


def test_names_that_a_folder_leaves_out_are_noted(logs):
    assert noted("sub")[1] == [
        "left out of sub, since their names begin with . or _: sub/.hidden, sub/_SUCCESS",
    ]
    for number in range(9):
        (logs / "sub" / f".{number}").write_bytes(b"")
    assert noted("sub")[1][0].endswith("sub/.3, sub/.4, …")
    assert noted("sub/*.log", "sub/deep") == (["sub/c.log", "sub/deep/d.log"], [])


def test_a_folder_is_all_files_below_but_hidden_ones(logs):
    assert names(".") == ["./a.log", "./b.log", "./sub/c.log", "./sub/deep/d.log"]
    assert names("sub/") == ["sub/c.log", "sub/deep/d.log"]


def test_a_glob_is_a_sorted_set_of_files(logs):
    assert names("*.log") == ["a.log", "b.log"]
    assert names("[ab].l?g") == ["a.log", "b.log"]
    assert names("**/*.log") == ["a.log", "b.log", "sub/c.log", "sub/deep/d.log"]
    assert names("**") == ["a.log", "b.log", "sub/_SUCCESS", "sub/c.log", "sub/deep/d.log"]
    assert names("s*") == ["sub/c.log", "sub/deep/d.log"]
    assert names("./*.log", "sub/../b*") == ["./a.log", "./b.log"]
    assert names("sub/.h*", "sub//d*//*") == ["sub/.hidden", "sub/deep/d.log"]
    assert names("**/**/d.log") == ["sub/deep/d.log"]
    assert names(f"{logs}/s*/c.log") == [f"{logs}/sub/c.log"]
    assert names("s*/") == ["sub/c.log", "sub/deep/d.log"]


def test_links_that_point_upwards_add_nothing_to_a_glob(logs):
    (logs / "sub" / "up").symlink_to("..")
    (logs / "sub" / "here").symlink_to(".")
    (logs / "sub" / "deep" / "top").symlink_to(logs)
    assert noted("**/*.log") == (["a.log", "b.log", "sub/c.log", "sub/deep/d.log"], [])
    assert noted("sub/**/*.log")[0] == ["sub/c.log", "sub/deep/d.log", "sub/up/a.log", "sub/up/b.log"]


def test_a_link_to_a_folder_outside_is_followed_by_a_glob_once(logs, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "o.log").write_bytes(b"x")
    (logs / "sub" / "one").symlink_to(outside)
    (logs / "sub" / "two").symlink_to(outside)
    assert noted("sub/**/o.log")[0] in (["sub/one/o.log"], ["sub/two/o.log"])
    found, said = noted("sub/*/o.log")
    assert found == ["sub/one/o.log"]
    assert said == ["sub/two/o.log is the same file as sub/one/o.log; it is read once"]


@pytest.fixture
def as_nobody(logs):
    """Without the powers of root, who may read everything."""
    logs.chmod(0o755)
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("mode", [0o000, 0o444])  # not to be listed; to be listed, but nothing in it to be looked at
@pytest.mark.parametrize("pattern", ["**/*.log", "*/*.log", "*/c.log", "**/c.log", "sub/*.log", "s*", "sub/[c]*"])
def test_a_folder_that_a_glob_cannot_read_is_an_error_that_names_it(logs, request, pattern, mode):
    (logs / "sub").chmod(mode)
    request.getfixturevalue("as_nobody")
    try:
        with pytest.raises(InputError, match=r"sub(/\w+(\.log)?)? cannot be read: permission denied"):
            expand([pattern])
        assert names("*.log") == ["a.log", "b.log"]
    finally:
        if not os.getuid():
            os.seteuid(0)
        (logs / "sub").chmod(0o755)


@pytest.mark.parametrize("argument", ["sub", "sub/*", "**/*.log"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(
            lambda name: os.symlink("nowhere", name),
            "is a symbolic link to nowhere, which does not exist",
            id="broken link",
        ),
        pytest.param(os.mkfifo, "is a pipe, not a regular file", id="pipe"),
    ],
)
def test_broken_links_and_special_files_that_are_found_are_refused_by_name(logs, argument, make, words):
    make("sub/odd.log")
    with pytest.raises(InputError, match=rf"sub/odd\.log {words}"):
        expand([argument])
    assert names("sub/c*") == ["sub/c.log"]


def test_a_file_with_the_name_of_a_glob_comes_first(logs):
    (logs / "[ab].log").write_bytes(b"x")
    assert names("[ab].log") == ["[ab].log"]


def test_names_that_are_no_text_survive(logs):
    name = os.fsdecode(b"caf\xe9\n.log")
    (logs / name).write_bytes(b"x")
    assert names("caf*") == [name]


def test_links_are_followed(logs):
    (logs / "link").symlink_to("a.log")
    (logs / "links").mkdir()
    (logs / "links" / "up").symlink_to(logs / "sub")
    assert [(f.name, f.bytes) for f in expand(["link"])] == [("link", 5)]
    assert names("links") == ["links/up/c.log", "links/up/deep/d.log"]


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_standard_input_is_taken_once(name):
    assert expand([name]) == [InputFile("-", "-", 0, "", is_stdin=True)]
    with pytest.raises(InputError, match=r"standard input \(-\) or a pipe is given twice, - last.*once"):
        expand([name, "-"])


@pytest.mark.parametrize(
    ("pack", "compression"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")]
)
@pytest.mark.parametrize("data", [b"line\n" * 100, b""], ids=["lines", "nothing"])
def test_compression_is_told_by_the_bytes_not_the_name(tmp_path, pack, compression, data):
    (tmp_path / "access.log").write_bytes(pack(data))
    (found,) = expand([str(tmp_path / "access.log")])
    assert (found.compression, found.bytes) == (compression, len(pack(data)))


@pytest.mark.parametrize("data", [b"BZh is how this line begins\n", b""], ids=["a line", "nothing"])
def test_a_plain_file_is_not_taken_for_compressed_by_its_name(tmp_path, data):
    (tmp_path / "plain.gz").write_bytes(data)
    assert expand([str(tmp_path / "plain.gz")])[0].compression == ""


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\x28\xb5\x2f\xfd", r"is zstd compressed, which mrframe does not read; pipe it in: zstd -dc .* run JOB -"),
        (b"PK\x03\x04", "is a zip archive"),
        (b"\xff\xfeG\x00", "UTF-16.*pipe it in: iconv"),
    ],
)
def test_an_encoding_that_mrframe_does_not_read_is_refused_with_the_command_for_it(tmp_path, head, words):
    (tmp_path / "x").write_bytes(head + b"rest")
    with pytest.raises((ExtraMissing, InputError), match=words):
        expand([str(tmp_path / "x")])


MISSING = {
    "no.log": r"no\.log does not exist; check the path \(it is looked for in {logs}\)",
    "a.log/x": "a.log/x cannot be read: Not a directory",
    "*.txt": r"the glob \*\.txt matches no file; check it with: ls",
    "emp*": "matches only directories without files",
    "empty": "the directory empty has no files in it",
    "dangling": "dangling is a symbolic link to nowhere, which does not exist",
    "loop": "loop cannot be read: Too many levels",
    "": "is no path",
    "a\0b": "is no path",
}


@pytest.mark.parametrize(("argument", "words"), MISSING.items(), ids=map(repr, MISSING))
def test_a_missing_input_is_named(logs, argument, words):
    (logs / "dangling").symlink_to("nowhere")
    (logs / "empty" / ".only").mkdir(parents=True)
    (logs / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=words.replace("{logs}", str(logs))):
        expand(["a.log", argument])


def test_no_input_at_all_is_refused():
    with pytest.raises(InputError, match="no input was given"):
        expand([])


@pytest.fixture
def special_files(logs):
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        yield


@pytest.mark.usefixtures("special_files")
@pytest.mark.parametrize(("argument", "kind"), [("pipe", "pipe"), ("socket", "socket"), ("/dev/null", "device")])
def test_a_special_file_is_refused_without_being_opened(argument, kind):
    words = rf"{argument} is a {kind}, not a regular file.*give - as the input and pipe"
    with pytest.raises(InputError, match=words):
        expand([argument])


@pytest.mark.usefixtures("special_files")
def test_a_special_file_in_a_folder_is_refused():
    with pytest.raises(InputError, match="is a pipe"):
        expand(["."])


def test_a_kernel_file_with_no_size_is_refused():
    with pytest.raises(InputError, match="says that it has 0 bytes, but has some"):
        expand(["/proc/self/status"])


@pytest.mark.parametrize("path", ["a.log", "sub"])
def test_a_path_without_permission_is_named(logs, monkeypatch, path):
    def denied(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(InputError, match=f"{path} cannot be read: permission denied; run as"):
        expand([path])


def test_a_folder_that_links_to_itself_is_refused(logs):
    (logs / "sub" / "again").symlink_to(logs / "sub")
    with pytest.raises(InputError, match="sub/again contains itself"):
        expand(["sub"])
