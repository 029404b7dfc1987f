"""`python benchmarks/source_measures.py [FOLDER]`: figures about the source of a package, as one table.

Sizes of files and functions, imports between modules of the package, circles among them, the largest folder, and the
prose of docstrings and comments. They are for comparing two revisions, or two projects. No test enforces them.

Rules.
- A module imports another once, wherever the import stands. Imports for the type checker count for circles alone.
- A function's length is counted without its docstring.
- Prose is every docstring and comment. A word is a run of letters. "what" counts unless a question mark ends its
  sentence.
"""

from __future__ import annotations

import ast
import io
import re
import statistics
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (ast.Module, ast.ClassDef, *FUNCTIONS)
PROSE = {
    "what": r"\b[Ww]hat\b(?![^.?!]*\?)",
    "who, whom, whose, whoever": r"\b[Ww]ho(?:m|se|ever)?\b",
    "is no, none": r"\b(?:is|are) (?:no|none)\b|\bthat (?:is|are) none\b",
    "is told, is said": r"\b(?:is|are) (?:told|said)\b",
    "so many, so long, so often": r"\bso (?:many|long|often)\b",
    "semicolons": ";",
}


def imports_of(tree: ast.Module, modules: set[str], *, for_types: bool) -> set[str]:
    """The modules of the package that a module imports."""
    skipped: set[int] = set()
    if not for_types:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                skipped.update(id(part) for child in node.body for part in ast.walk(child))
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in modules else node.module)
    return found & modules


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import one another, directly or through others."""
    reached: dict[str, set[str]] = {}
    for start in imports:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for module in imports[todo.pop()] - seen:
                seen.add(module)
                todo.append(module)
        reached[start] = seen
    groups = {tuple(sorted(other for other in reached[start] if start in reached[other])) for start in imports}
    return [list(group) for group in sorted(groups) if len(group) > 1]


def prose_of(source: str, tree: ast.Module) -> Iterator[str]:
    """Each docstring and each comment of a module."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.lstrip("# ")


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def measures(folder: Path) -> Iterator[tuple[str, str]]:
    """(name, figure) of each measure of the package in `folder`."""
    files = sorted(path for path in folder.rglob("*.py"))
    sources = {path: path.read_text() for path in files}
    trees = {path: ast.parse(source) for path, source in sources.items()}
    names = {path: ".".join((folder.name, *path.relative_to(folder).with_suffix("").parts)) for path in files}
    names = {path: name.removesuffix(".__init__") for path, name in names.items()}
    modules = set(names.values())
    imports = {names[path]: imports_of(tree, modules, for_types=False) for path, tree in trees.items()}
    hinted = {names[path]: imports_of(tree, modules, for_types=True) for path, tree in trees.items()}
    functions = sorted(
        length(node) for tree in trees.values() for node in ast.walk(tree) if isinstance(node, FUNCTIONS)
    )
    lines = [len(source.splitlines()) for source in sources.values()]
    folders: dict[Path, int] = {}
    for path in files:
        folders[path.parent] = folders.get(path.parent, 0) + 1
    most, largest = max((number, str(path.relative_to(folder))) for path, number in folders.items())
    fan_out, widest = max((len(found), name) for name, found in imports.items())
    yield "files, lines", f"{len(files)}, {sum(lines):,}"
    yield "median file, longest file", f"{statistics.median(lines):.0f}, {max(lines)}"
    percent = statistics.quantiles(functions, n=100)
    yield (
        "functions: p50, p90, p99, max",
        ", ".join(f"{n:.0f}" for n in (percent[49], percent[89], percent[98], functions[-1])),
    )
    yield "largest folder", f"{most} files in {largest}"
    yield "imports per module, mean", f"{statistics.mean(map(len, imports.values())):.2f}"
    yield "most imports", f"{fan_out} in {widest}"
    yield "circles", "; ".join(" ".join(group) for group in circles({m: hinted[m] - {m} for m in hinted})) or "none"
    text = "\n\n".join(part for path in files for part in prose_of(sources[path], trees[path]))
    words = len(re.findall(r"[A-Za-z]+", text))
    yield "words of prose", f"{words:,}"
    for name, pattern in PROSE.items():
        yield f"{name}, per 1,000 words", f"{1000 * len(re.findall(pattern, text)) / words:.1f}"


def main(folder: str = "mrframe") -> None:
    """Print the table."""
    for name, figure in measures(Path(folder).resolve()):
        print(f"{name:40} {figure}")


if __name__ == "__main__":
    main(*sys.argv[1:])
