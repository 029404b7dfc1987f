"""Random jobs as the text of job files, built from a grammar of small pieces.

A job is text because mrframe fingerprints, ships and reads text. Some pieces raise, yield invalid values, end the
process or print. `reference.py` works out the result, so pieces combine freely. One rule: no answer may depend
on the cutting of the input. Keys and values are in `random_values.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from mrframe.testing.differential import random_values as values
from mrframe.testing.differential.random_worlds import SIDE, Glimpse

HEAD = """\
from mrframe import Job, collect, count, distinct, each, increment, json_lines, largest, logs, mean, smallest, text
from mrframe import top, total, words

"""
READERS = {"text": "text", "words": "words", "combined": "logs.combined", "json_lines": "json_lines"}
FIELDS = {
    "text": (("line",), ("line", "offset"), ("line", "file")),
    "words": (("word",), ("word", "line"), ("word", "offset")),
    "combined": (
        *(("path",), ("status", "size"), ("host", "path", "status"), ("time",), ("day", "agent"), ("user", "hour")),
        *(("request", "minute"), ("query", "protocol", "method"), ("referer", "size"), ("line",), ("size", "time")),
    ),
    "json_lines": (
        ("name",),
        ("name", "n"),
        ("tags", "n"),
        ("n",),
        ("name", "time"),
        ("time", "tags"),
        ("line", "n"),
    ),
    "pairs": (("key", "value"), ("key",), ("value", "key")),
}
ACTS = (
    *("raise ValueError(subject)", "1 / 0", "sys.exit(3)", "raise GeneratorExit", "raise Odd", "raise KeyError(2)"),
    *("next(one for one in () if one)", "raise StopIteration", "next(iter(()))", "[][1]", "assert not subject"),
)
PLAIN_REDUCES = (
    "    yield key, list(values)",
    "    values = list(values)\n    yield key, (values[0], values[-1], len(values))",
    "    yield key, next(values)",
    "    return [(key, len(list(values)))]",
    "    return iter(((key, str(type(value).__name__)) for value in values))",
    "    for value in values:\n        yield key, value",
    "    increment('groups')\n    yield (key, 1), sum(1 for value in values)",
    "    return ()",
)
REKEYING_REDUCES = (
    "    yield len(list(values)), key",
    "    yield type(key).__name__, len(list(values))",
    "    for value in values:\n        yield number(value) % 3, 1",
)
BAD_REDUCES = (
    *("    yield key, object()", "    yield [key], 1", "    yield key", "    return None", "    yield {key: 1}, 2"),
    *(
        "    return [(key, next(one for one in () if one))]",
        "    raise StopIteration",
        "    yield key, {1: [Point(1, 2)]}",
    ),
    *("    sys.exit(2)\n    yield key, 1", "    raise Odd", "    yield key, sum(values, [])", "    return 7"),
)
COMBINES = (
    ("number(part)", "    yield key, sum(values)"),
    ("(1, number(part))", "    first, second = map(sum, zip(*values))\n    yield key, (first, second)"),
    ("str(part)", '    yield key, "".join(values)'),
    ("[part]", "    yield key, [one for some in values for one in some]"),
    ("number(part)", "    values = list(values)\n    yield key, min(values)"),
)
BAD_COMBINES = (
    *("return None", "raise ValueError(key)", "return [('another', 1)]", "return [key]", "return iter([[key, 1]])"),
    *("next(one for one in () if one)", "return [(key, next(iter(())))]", "raise Odd", "return 7"),
)
PARTITIONS = (
    *("number(type(key)) % partitions", "0", "partitions - 1", "len(repr(type(key))) % partitions"),
    *("partitions", "-1", "True", "None", "1 / 0", "next(iter(()))", "'0'"),
)


class JobWriter:
    """Writes one job, and notes the facts that its case needs."""

    def __init__(self, random: Random, readers: Sequence[str], glimpse: Glimpse | None = None) -> None:
        self.random = random
        self.readers = readers
        self.glimpse = glimpse
        self.prints = False
        self.sorts_values = False
        self._text: list[str] = []
        self._rekeys = False
        self._names = 0

    def source(self) -> str:
        """The text of the whole file."""
        parts = self._join() if len(self.readers) > 1 else self._plain(self.readers[0])
        following = self._following() if self.glimpse is None else ""
        if following:
            for other in values.OTHER_FORMS:
                self._text = [text.replace(other, values.KINDS["zoned"][0]) for text in self._text]
        seen = f'{self.glimpse.imports}\n\nPATH = "{SIDE}"\n' if self.glimpse is not None else ""
        text = "\n\n".join([*self._text, f"job = Job({', '.join(parts)}){following}\n"])
        return HEAD + values.with_preamble(seen + text)

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _one(self, some: Sequence[str]) -> str:
        return self.random.choice(some)

    def _function(self, parameters: Sequence[str], body: str) -> str:
        """Write a function down. Returns its name."""
        self._names += 1
        name = f"step_{self._names}"
        self._text.append(f"def {name}({', '.join(parameters)}):\n{body}\n")
        return name

    # ---- the parts of a job ----------------------------------------------------------------------------

    def _plain(self, reader: str) -> list[str]:
        reduce, wanted = self._reduce(settled=True)
        parts = [f"read={READERS[reader]}", *self._grain(reader, wanted), *reduce]
        if self._chance(0.12):
            index = self._one(PARTITIONS[: self.random.choice((4, 4, len(PARTITIONS)))])
            parts.append(f"partition={self._function(('key', 'partitions'), f'    return {index}')}")
        elif self._chance(0.15) and self.glimpse is None:  # its sample would draw numbers, too
            parts.append('key_order="total"')
        return [*parts, f"partitions={self.random.randint(1, 4)}"] if self._chance(0.1) else parts

    def _join(self) -> list[str]:
        names = ["left", "right", "third"][: len(self.readers)]
        maps = [f"{name!r}: {self._map(reader, 'any')}" for name, reader in zip(names, self.readers, strict=True)]
        reads = [f"{name!r}: {READERS[reader]}" for name, reader in zip(names, self.readers, strict=True)]
        early, last = ", ".join(names[:-1]), names[-1]
        bodies = (
            f"    yield key, ({early}, list({last}))",
            f"    for value in {last}:\n        yield key, ({early}, value)",
            f"    if {names[0]}:\n        yield key, next({last}, None)",
            f"    return [(key, len({names[0]}))]",
            f"    yield number(key) % 3, len({names[0]}) + sum(1 for one in {last})",
            f"    return [(key, next({last}))]",
        )
        body = self._one(bodies)
        self._rekeys = "number(key)" in body
        reduce = self._function(("key", *names), body)
        parts = [f"read={{{', '.join(reads)}}}", f"map={{{', '.join(maps)}}}", f"reduce={reduce}"]
        if self._chance(0.3):
            parts.append(f"where={{{names[0]!r}: {self._where(self.readers[0])}}}")
        return parts

    def _grain(self, reader: str, wanted: str) -> list[str]:
        """One of the grains of a map, perhaps with `where`."""
        where = [f"where={self._where(reader)}"] if self._chance(0.25) else []
        fields = self.random.choice(FIELDS[reader])
        draw = self.random.random()
        if self.glimpse is not None or wanted.startswith("="):
            draw = 1.0
        if draw < 0.2 and wanted in ("any", "none"):
            key = fields[0] if self._chance(0.5) else fields
            return [f"key={key!r}", *([f"value={fields[-1]!r}"] if wanted == "any" else []), *where]
        if draw < 0.3:
            guards = "\n".join(f"        {line}" for line in self._guards("record[0]", leave="continue"))
            body = f"    for record in records:\n{guards}\n        part = record[-1]\n"
            body += f"        yield {self._key('part')}, {self._value('part', wanted)}"
            return [f"map_split={self._function(('records',), body)}", f"fields={fields!r}", *where]
        if draw < 0.36 and reader in ("text", "words", "combined") and wanted in ("any", "none", "number"):
            return [*self._batch(reader, wanted), *where]
        if draw < 0.44 and reader == "json_lines":
            path = self._one(("tags.0", "tags.b", "n", "tags", "name"))
            function = self._function(("item",), f"    yield str(item), {self._value('item', wanted)}")
            return [f"map={function}", f"fields={{'item': {path!r}}}", *where]
        return [f"map={self._map(reader, wanted)}", *where]

    def _batch(self, reader: str, wanted: str) -> list[str]:
        """Write a map of Arrow tables, and `singly`, its equivalent for one record, for the reference."""
        field = {"text": "line", "words": "word", "combined": "path"}[reader]
        value = {"any": "len(part)", "none": "None", "number": self._one(("len(part)", "len(part) / 7"))}[wanted]
        key = self._one(("part", "len(part) % 5", "part[:1]"))  # not of its code points: some are others in Arrow
        singly = self._function(("part",), f"    part = part or ''\n    yield {key}, {value}")
        body = f"""    import pyarrow
    pairs = [pair for part in table.column({field!r}).to_pylist() for pair in {singly}(part)]
    columns = {{"key": [key for key, _ in pairs], "value": [value for _, value in pairs]}}
    yield pyarrow.table(columns if {wanted != "none"} else {{"key": columns["key"]}})"""
        batch = self._function(("table",), body)
        self._text.append(f"{batch}.singly = {singly}\n")
        return [f"map_batch={batch}", f"fields=({field!r},)"]

    def _where(self, reader: str) -> str:
        name = self._one(self.random.choice(FIELDS[reader]))
        tests = [
            *(
                f"number({name}) % 3",
                f"{name} is not None",
                f"not {self._condition(name)}",
                f"[{name}]",
                f"str({name})",
            ),
            *(f"next(w for w in str({name}).split() if w != '50') == 'item'", f"next(iter(str({name}))) > '5'"),
        ]
        if self._chance(0.1):
            tests = [f"Unsure() if {self._condition(name)} else True", f"1 / (number({name}) % 5)"]
        return f"lambda {name}: {self._one(tests)}"

    def _map(self, reader: str, wanted: str) -> str:
        """Write a function of the fields of a record. Returns its name."""
        fields = self.random.choice(FIELDS[reader])
        subject = self._one(fields)
        if reader != "pairs" and wanted in ("any", "none") and self.glimpse is None and self._chance(0.1):
            return self._function(fields, f"    yield {subject}, {subject if wanted == 'any' else None}")
        lines = self._guards(subject)
        parts = f"str({subject}).split()[:4]" if self._chance(0.6) else f"[{subject}]"
        key, value = self._key("part"), self._value("part", wanted)
        pairs = f"({key}, {value}) for part in {parts}"
        if self._chance(0.6):
            lines += [f"for part in {parts}:", f"    yield {key}, {value}"]
            if self._chance(0.06):
                lines += [f"    if {self._condition('part')}:", "        yield part" + self._one(("", ", 1, 2"))]
        else:
            forms = (f"[{pairs}]", f"({pairs})", f"tuple({pairs})", f"iter([{pairs}])", f"map(tuple, [{pairs}])")
            lines.append(f"return {self._one(forms)}")
        return self._function(fields, "\n".join(f"    {line}" for line in lines))

    # ---- small pieces ----------------------------------------------------------------------------------

    def _condition(self, subject: str) -> str:
        """Something that is true of some records."""
        word, rest = self._one(("x", "50", "item", "7")), self.random.randint(0, 12)
        return self._one((f"{word!r} in str({subject})", f"number({subject}) % 13 == {rest}"))

    def _guards(self, subject: str, leave: str = "return") -> list[str]:
        """Return statements that a map runs before it yields."""
        lines = [f"subject = {subject}"]
        if self._chance(0.15):
            lines.append("increment('seen', len(str(subject)))")
        if self._chance(0.06):
            self.prints = True
            lines.append("print('noise', repr(subject))")
        if self._chance(0.2):
            lines += [f"if {self._condition('subject')}:", f"    {self._one(ACTS)}"]
        elif self._chance(0.08):
            what = self._one(("", " []", " None")) if leave == "return" else ""
            lines += [f"if {self._condition('subject')}:", f"    {leave}{what}"]
        return lines

    def _key(self, part: str) -> str:
        """An expression for a key."""
        keys = values.some_keys(self.random)
        listed = f"({', '.join(keys)},)[number({part}) % {len(keys)}]"
        key = self._one((part, f"number({part}) % 3", listed, listed, listed, f"({part}, number({part}) % 2)"))
        if self._chance(0.06):
            key = f"({self._one(values.REFUSED_KEYS)} if {self._condition(part)} else {key})"
        return key

    def _value(self, part: str, wanted: str) -> str:
        """Return an expression for a value of the kind that the reducer wants. "=…" is one already."""
        if self.glimpse is not None:
            return self.glimpse.expression
        if wanted.startswith("="):
            return wanted[1:].replace("part", part)
        if wanted == "none":
            return self._one(("None", "1"))
        pool = {"number": values.some_numbers, "key": values.some_keys}.get(wanted, values.some_values)(self.random)
        if wanted == "key" and self._chance(0.3):
            pool = list(values.KINDS["zoned"])  # in another order than on the wall clock
        listed = f"({', '.join(pool)},)[number(({part}, 1)) % {len(pool)}]"
        also = {"number": ("1", f"number({part})", f"number({part}) / 7"), "key": (part, "1")}.get(
            wanted, (part, "None")
        )
        value = self._one((listed, listed, *also))
        if wanted == "any" and self._chance(0.03):
            value = f"({self._one(values.OBJECTS)} if {self._condition(part)} else {value})"
        if wanted != "any" and self._chance(0.04):
            value = f"({self._one(values.ONLY_VALUES)} if {self._condition(part)} else {value})"
        return value

    def _reduce(self, *, settled: bool) -> tuple[list[str], str]:
        """Return (parts that fold values, the kind of values they want), for values in any order unless `settled`."""
        draw = self.random.random()
        if self.glimpse is not None:
            return [self._one(("reduce=collect", "reduce=each", "reduce=distinct"))], "any"
        if draw < 0.45 or not settled:
            names = {"count": "none", "total": "number", "mean": "number", "distinct": "key", "smallest": "key"}
            names |= {"largest": "key"} | ({"collect": "any", "each": "any"} if settled else {})
            name = self._one(sorted(names))
            sorts = self._sorted(may=name in ("collect", "each"))
            return [f"reduce={name}", *sorts], "key" if sorts else names[name]
        if draw < 0.55:
            return self._measures()
        if draw < 0.7:
            value, body = self.random.choice(COMBINES)
            combine = reduce = self._function(("key", "values"), body)
            if self._chance(0.12):
                bad = f"    if {self._condition('key')}:\n        {self._one(BAD_COMBINES)}"
                combine = self._function(("key", "values"), f"{bad}\n    return {reduce}(key, values)")
            return [f"combine={combine}", f"reduce={reduce}"], f"={value}"
        bodies = PLAIN_REDUCES if draw < 0.88 else REKEYING_REDUCES if draw < 0.95 else BAD_REDUCES
        body = self._one(bodies)
        if bodies is BAD_REDUCES and self._chance(0.6):
            lines = body.replace("\n", "\n    ")
            body = f"    if {self._condition('key')}:\n    {lines}\n    else:\n        yield key, 1"
        self._rekeys |= bodies is REKEYING_REDUCES
        sorts = self._sorted()
        return [f"reduce={self._function(('key', 'values'), body)}", *sorts], "key" if sorts else "any"

    def _measures(self) -> tuple[list[str], str]:
        """A dict of ready reducers, of one value or of a dict of them."""
        names = self.random.sample(["count", "total", "mean", "distinct", "smallest", "largest", "collect"], 3)
        reduce = f"reduce={{{', '.join(f'{name!r}: {name}' for name in names)}}}"
        if self._chance(0.5):
            return [reduce], "number"
        pools = [f"({', '.join(values.some_numbers(self.random))},)[0]" for _ in names]
        some = ", ".join(f"{name!r}: {pool}" for name, pool in zip(names, pools, strict=True))
        return [reduce], f"={{{some}}}"

    def _sorted(self, *, may: bool = True) -> list[str]:
        if may and self._chance(0.15):
            self.sorts_values = True
            return ["sort_values=True"]
        return []

    # ---- later steps ----------------------------------------------------------------------------------

    def _following(self) -> str:
        """Further steps: `.then(…)`, up to twice."""
        following = ""
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2))):
            settled = not self._rekeys
            if settled and self._chance(0.4):
                return following + f".then(top({self.random.choice((1, 2, 5, 100))}{self._one(('', '', ', by=0'))}))"
            reduce, wanted = self._reduce(settled=settled)
            where = [f"where=lambda key: {self._condition('key')}"] if self._chance(0.2) else []
            if wanted == "none" and self._chance(0.5):
                grain = [f"key={self._one(('key', 'key', 'value'))!r}"]
            elif wanted in ("any", "number") and self._chance(0.3):
                grain = ["key='key'", "value='value'"]
            else:
                grain = [f"map={self._map('pairs', wanted)}"]
            following += f".then(Job({', '.join([*grain, *where, *reduce])}))"
        return following
