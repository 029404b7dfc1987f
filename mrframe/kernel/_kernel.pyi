"""The interface of the compiled kernel. Data never raises: only wrong arguments do, and memory that ends."""

from typing import Any, TypeAlias, final

VECTORS: str
"""The vector instructions that it was compiled for: `SSE2` or `none`."""
AGGREGATES_MAX: int
"""The most aggregates of a table."""
KEY_COLUMNS_MAX: int
"""The most columns of a key."""

def count_lines(block: bytes, /) -> int:
    """Return the number of newlines."""

def words(block: bytes, /) -> Block:
    """Cut a text at ASCII whitespace. The block has one column, with a record for each word."""

def merge(
    heads: tuple[tuple[bytes | memoryview, bytes | memoryview, int, int, int], ...],
    most: int,
    spelling: tuple[bytes, bytes, bytes, bytes] | None,
    /,
) -> tuple[bytes, bytes | None, list[tuple[int, int]]] | None:
    """Merge sorted columns of text keys with ints, or with None, until one is used up or `most` keys are taken.

    A head is (encoded keys, encoded values, number of keys, place of the next key in its column, its number). Returns
    (encoded keys, encoded values, [(place, number) of each head]). `spelling` is the bytes before, between and behind
    key and value. With it the merge returns (rows, None, positions), and ends before a key with one of the bytes in
    its last item. None, with nothing taken, for columns of another form.
    """

def texts_of_lines(block: bytes, /) -> Texts:
    """Return the lines of a block, each of which ends with a newline, decoded as all text of logs is."""

def texts_of_column(keys: bytes | memoryview, /) -> Texts | None:
    """Return the texts of an encoded column of a run file, None if it is of another form."""

def sort_texts(
    ranges: list[tuple[Texts, int, int]], slots: int | tuple[bytes, ...], guess: int, /
) -> tuple[Sections, int]:
    """Sort ranges of texts together, with None for each value.

    `slots` is the number of bits of the usual hash in a slot, or a tuple of cuts between ranges of keys, which are
    numbered. `guess` is the number of texts in the first block. Also returns that of the block that would follow.
    """

def lines_of(keys: bytes | memoryview, /) -> bytes | None:
    """Return the texts of a column as lines, None for other columns and for text that was no UTF-8 in a log."""

@final
class Texts:
    """A column of texts."""

    size_bytes: int
    """The bytes that are held, including those that sorting needs besides."""
    last: bytes
    def __len__(self) -> int: ...
    def end(self, start: int, bound: bytes, after: bool, /) -> int:
        """Return the index of the first text from `start` on that sorts after a bound, or is equal if not `after`."""

@final
class Program:
    """A format as steps of a line (`formats/grammar/kernel_program.py`).

    Raises ValueError for other steps, and for a column that none of them captures.
    """

    def __new__(cls, steps: tuple[Any, ...], columns: int, /) -> Program: ...
    def scan(self, block: bytes, /) -> Block:
        """Cut the lines of a block, each of which ends with a newline."""

ArrowText: TypeAlias = tuple[Any, Any, int, int]
"""(validity or None, offsets, first item, place of byte 0 of its data in the block) of an Arrow array of `string`."""

@final
class Block:
    """A block of bytes and the places of values in it, by column and record."""

    records: int
    lines: int
    refused: list[tuple[int, int, int]]
    """(number of the line, its offset and its length in bytes) of each line that the program does not take."""

    def __new__(cls, data: bytes, records: int, columns: tuple[ArrowText, ...], /) -> Block:
        """Make a block of Arrow arrays, the data of which is joined in `data`. Raises ValueError for bad buffers."""

    def arrow(self, column: int, nones: int, /) -> tuple[bytes, bytes, bytes] | None:
        """Return (validity, offsets, data) of the values as an Arrow array of `binary`.

        `nones` says which texts are null: 1 for `-`, 2 for an empty one, 3 for both. None for data of over 2 GiB.
        """

    def joined(self, column: int, separator: bytes, /) -> bytes | None:
        """Return the values with a byte between them, or None if one is absent."""

    def values(self, column: int, /) -> list[bytes | None]:
        """Return each value."""

Sections: TypeAlias = list[tuple[int, str, list[tuple[int, bytes, bytes]]]]
"""[(slot, "s", [(pairs, column of keys, column of values)])], as `RunWriter.add_encoded` takes them."""
Others: TypeAlias = list[tuple[tuple[bytes | None, ...], int, Any]]
"""[(parts of the key, number of records, states)], in the order of arrival."""

@final
class Table:
    """Aggregates by key: any of count, total, mean, smallest, largest, distinct.

    `wrapped` says that the states of a key are a tuple, as those of a dict of reducers are. A table is filled in one
    way until it is drained: by `add` with the same number of key columns, or by `absorb`. When memory ends, it is as
    it was before the call.
    """

    size_bytes: int
    """The bytes that are held, including those that growing or draining needs besides."""

    def __new__(cls, aggregates: tuple[str, ...], wrapped: bool = False, /) -> Table: ...
    def __len__(self) -> int: ...
    def add(
        self, block: Block, keys: tuple[int, ...], values: tuple[int, ...], nones: tuple[int, ...], /
    ) -> list[int]:
        """Fold the records of a block. Returns the numbers of those that Python must fold.

        `keys` are the columns of the key. `values` has a column for each aggregate (any number for count), `nones`
        the texts that are None for distinct: 1 for `-`, 2 for an empty one, 3 for both. A number is up to 18 digits,
        perhaps with a sign, or `-` or nothing for None. A record with any other number, or with a NUL in a text for
        distinct, is left out.
        """

    def add_values(self, keys: list[Any], values: list[Any] = ..., /) -> list[int]:
        """Fold pairs, or keys and their values. Returns the indexes of those that Python must fold.

        A key is a str, or an int, which draining gives back among the others as a NUL and its eight bytes, lowest
        first. A value is an int, for distinct a str, and for count alone anything. None is no value. All else is left
        out: subclasses, ints of 64 bits and more, text with a NUL or with surrogates, and items that are no pairs.
        When memory ends, the first pairs may be folded already.
        """

    def absorb(self, keys: bytes | memoryview, values: bytes | memoryview, /) -> bool:
        """Merge encoded columns of a run file. False, with nothing taken, if they are of another form."""

    def drain(self, bits: int, text: bool, nones: tuple[bytes, ...], /) -> tuple[Sections, Others]:
        """Return everything as a sorted run of `2**bits` slots by the usual hash, and what it cannot hold.

        That is: all keys if `text` is false or they have several columns, absent keys and those among `nones`, keys
        with a NUL, and sums of more than 64 bits. The table is empty afterwards.
        """

    def drain_written(self, bits: int, texts: tuple[bytes | None, ...], /) -> tuple[Sections, Others]:
        """Do the same for keys that are written as other texts than they are held.

        `texts` has UTF-8 without NUL for each key, in the order of `held_keys`, all different, or None for a key that
        is to be among the others.
        """

    def held_keys(self) -> list[tuple[bytes | None, ...]]:
        """Return the parts of each key, in the order of arrival."""

    def drain_results(self, names: tuple[bytes, ...], /) -> tuple[Sections, Others]:
        """Do as `drain` for one slot, with results in place of states.

        Those of a wrapped table are dicts with these names, as msgpack. Raises ValueError for a mean.
        """
