"""Names in mrframe use the words of docs/glossary.md, and none of those that its table "Words not to use" forbids.

Held to it: names of files, classes, functions, parameters and variables, split at underscores and capitals. Names on
the wire and in the journal, which that section of the glossary lists, are exempt.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
HEADING = "## Words not to use"


@cache
def section() -> str:
    """The section of the glossary with the table of forbidden words."""
    _, heading, rest = GLOSSARY.read_text(encoding="utf-8").partition(HEADING)
    assert heading, f"{GLOSSARY.name} has no section {HEADING!r}"
    return rest.partition("\n## ")[0]


@cache
def forbidden() -> dict[str, str]:
    """{word not to use: what to say}."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section().splitlines() if line[:1] == "|"
    ]
    return {word.strip(): row[1] for row in rows[2:] for word in row[0].split(",")}


@cache
def exempt() -> set[str]:
    """Names that other versions of mrframe must be able to read."""
    return set(re.findall(r"`([A-Za-z]+)`", section()))


def defined_names(tree: ast.AST):
    """(line, name) of each class, function, parameter and variable."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def words_of(name: str) -> set[str]:
    """The words of a name, in lower case: `AsideVersion` and `aside_version` have two."""
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


@cache
def uses() -> dict[str, list[str]]:
    """{forbidden word: the names in which it is used, with their places}."""
    found: dict[str, list[str]] = {word: [] for word in forbidden()}
    for path in sorted((ROOT / "mrframe").rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        names = [(0, path.stem), *defined_names(ast.parse(path.read_text(encoding="utf-8")))]
        for line, name in names:
            for word in words_of(name) & found.keys():
                if name not in exempt():
                    found[word].append(f"{where}:{line} {name}")
    return found


@pytest.mark.parametrize("word", sorted(forbidden()))
def test_names_do_not_use_a_forbidden_word(word):
    assert not uses()[word], f"say {forbidden()[word]} in place of {word!r}"


def test_the_table_is_read():
    assert forbidden()["shard"] == "split"
    assert {"worker", "workers", "slave", "coordinator"} <= forbidden().keys()
    assert "AsideVersion" in exempt()


def test_names_are_split_into_words():
    assert words_of("AsideVersion") == words_of("aside_version") == {"aside", "version"}
    assert words_of("HTTPStatus") == {"http", "status"}
