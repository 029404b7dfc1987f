"""Checks by the names in a job's source that its code is pure: depends on its input alone.

It walks the whole module to any depth and looks each name up in its scope. An imported name must be in the lists of
`pure_names.py`, and so must each built-in function. Attributes of other values are judged by their name. A function
may change only its own values, since any other value is kept from one record to the next. Results of code that is not
known to be pure are not saved. A job that knows better says `pure=True`. Not here: side effects of the running code
(`effects.py`), functions without a file (`bytecode.py`).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from mrframe.task.cache import pure_names
from mrframe.task.code.modules import Source

OWN = ""
"""In place of an imported name: the module assigns the name a value itself."""
REMEDY = "; if the job depends on its input alone, write pure=True in the Job"

_FIXED = ("TYPE_CHECKING", "typing", "__name__", "__match_args__")
"""Names judged by their usual meaning: they decide which code runs, or which attributes a pattern matches."""

Bound = dict[str, set[str]]
"""{name: possible meanings: OWN, or the dotted name of an import}"""
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class Unsaved(Exception):
    """The results of a job cannot be saved, with the reason. Not a user's error: the job runs all the same."""


def check_sources(sources: Iterable[Source]) -> None:
    """Raise Unsaved, with the line, for the first thing in these modules of a job that is not known to be pure."""
    modules = {source.name: _Module(source) for source in sources}
    found = True
    while found:  # a star may import a star
        found = sum(module.bind_stars(modules) for module in modules.values()) > 0
    for module in modules.values():
        try:
            _Checker(module, modules).check()
        except RecursionError:
            raise Unsaved(f"{module.source.path} is nested too deeply to be judged{REMEDY}") from None


class _Module:
    """A module of the job: its syntax tree, and the meanings of its names."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tree = ast.parse(source.text)
        self.package = source.name if source.is_package else source.name.rpartition(".")[0]
        self.bound = _bindings(self.tree.body, self.package)
        futures = [
            node for node in self.tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        ]
        self.evaluates_annotations = not any(one.name == "annotations" for node in futures for one in node.names)

    def bind_stars(self, modules: Mapping[str, _Module]) -> bool:
        """Add the names of local modules imported by `*`. Returns whether any were new."""
        before = sum(map(len, self.bound.values()))
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                name = absolute(node, self.package)
                for one in list(modules[name].bound) if name in modules else ():
                    if not one.startswith("_"):
                        self.bound.setdefault(one, set()).add(f"{name}.{one}")
        return sum(map(len, self.bound.values())) > before


class _Scope:
    """A function, class or comprehension, or the module, and the names bound in it."""

    def __init__(self, name: str, bound: Bound, outer: _Scope | None = None, *, kind: str = "module") -> None:
        self.name, self.bound, self.outer, self.kind = name, bound, outer, kind
        self.kept: set[str] = set()  # parameters with a default value, shared by all calls

    def find(self, name: str) -> tuple[_Scope, set[str]] | None:
        """Return the scope that binds a name used here, with its possible meanings, or None for a built-in."""
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.bound and (scope.kind != "class" or scope is self):
                return scope, scope.bound[name]
            scope = scope.outer
        return None

    def function(self) -> _Scope:
        """Return the enclosing function, or the module."""
        scope = self
        while scope.kind == "comprehension" and scope.outer is not None:
            scope = scope.outer
        return scope


class _Checker(ast.NodeVisitor):
    """Walks a module and raises Unsaved."""

    def __init__(self, module: _Module, modules: Mapping[str, _Module]) -> None:
        self._module = module
        self._modules = modules
        self._scope = _Scope("", module.bound)

    def check(self) -> None:
        self.visit(self._module.tree)

    def _refuse(self, node: ast.AST, fault: str) -> None:
        names = []
        scope: _Scope | None = self._scope
        while scope is not None:
            names += [scope.name] if scope.name else []
            scope = scope.outer
        where = f" ({'.'.join(reversed(names))})" if names else ""
        where_text = f"{self._module.source.path}:{getattr(node, 'lineno', 1)}{where}"
        raise Unsaved(f"{where_text} {fault}, which is not known to be pure{REMEDY}")

    # ---- scopes ------------------------------------------------------------------------------------

    def _within(self, scope: _Scope, nodes: Iterable[ast.AST]) -> None:
        self._scope = scope
        for node in nodes:
            self.visit(node)
        assert scope.outer is not None
        self._scope = scope.outer

    def _function(self, node: _Function) -> None:
        for outside in (*getattr(node, "decorator_list", ()), *node.args.defaults, *node.args.kw_defaults):
            if outside is not None:
                self.visit(outside)
        body = node.body if isinstance(node.body, list) else [node.body]
        every = [*node.args.posonlyargs, *node.args.args, node.args.vararg, *node.args.kwonlyargs, node.args.kwarg]
        bound = _bindings(body, self._module.package)
        for one in every:
            if one is not None:
                bound.setdefault(one.arg, set()).add(OWN)
        scope = _Scope(getattr(node, "name", "lambda"), bound, self._scope, kind="function")
        usual = [*node.args.posonlyargs, *node.args.args]
        scope.kept = {one.arg for one in usual[len(usual) - len(node.args.defaults) :]}
        pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        scope.kept |= {one.arg for one, default in pairs if default is not None}
        if self._module.evaluates_annotations:
            given = [one.annotation for one in every if one is not None]
            for annotation in (*given, getattr(node, "returns", None)):
                if annotation is not None:
                    self.visit(annotation)
        self._within(scope, body)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function  # noqa: N815  (the visitor's names)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for outside in (*node.decorator_list, *node.bases, *(one.value for one in node.keywords)):
            self.visit(outside)
        bound = _bindings(node.body, self._module.package)
        self._within(_Scope(node.name, bound, self._scope, kind="class"), node.body)

    def _comprehension(self, node: _Comprehension) -> None:
        targets = {one.id for part in node.generators for one in ast.walk(part.target) if isinstance(one, ast.Name)}
        bound: Bound = {name: {OWN} for name in targets}
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._within(_Scope("", bound, self._scope, kind="comprehension"), [*node.generators, *parts])

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        for part in (node.value, node.annotation if self._module.evaluates_annotations else None):
            if part is not None:
                self.visit(part)

    def visit_If(self, node: ast.If) -> None:
        for part in [node.test, *node.body, *node.orelse] if _runs(node) else node.orelse:
            self.visit(part)

    # ---- checks ------------------------------------------------------------------------------------

    def _imports(self, node: ast.Import | ast.ImportFrom) -> None:
        names = [one.name for one in node.names]
        if self._scope.kind == "class":
            self._refuse(node, f"imports {names[0]} as an attribute of a class")
        for one in node.names:
            if one.asname in _FIXED:
                self._refuse(node, f"rebinds {one.asname}")
        if isinstance(node, ast.ImportFrom):
            module = absolute(node, self._module.package)
            if names[0] == "*" and module not in self._modules:
                self._refuse(node, f"imports everything from {module}")
            names = [module]
        for name in names:
            top = name.split(".")[0]
            local = name in self._modules or any(one.split(".")[0] == top for one in self._modules)
            if not local and top not in sys.stdlib_module_names and top not in pure_names.PACKAGES:
                self._refuse(node, f"imports {name}")

    visit_Import = visit_ImportFrom = _imports  # noqa: N815

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        self._refuse(node, f"keeps {node.names[0]} from one record to the next")

    visit_Nonlocal = visit_Global  # noqa: N815

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in _FIXED and not isinstance(node.ctx, ast.Load):
            self._refuse(node, f"rebinds {node.id}")
        self._named(node, node, [])

    def visit_Constant(self, node: ast.Constant) -> None:
        fault = pure_names.fault_of_text(node.value) if isinstance(node.value, str) else ""
        if fault:
            self._refuse(node, fault)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            chain.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            self._named(node, inner, chain)
        else:
            self._attributes(node, chain)
            self.visit(inner)
        if not isinstance(node.ctx, ast.Load):
            self._changed(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._changed(node)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._changed(node.target)
        self.generic_visit(node)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        self._attributes(node, node.kwd_attrs)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in pure_names.MUTATORS:
            self._changed(function)
        if isinstance(function, ast.Name) and function.id == "next" and node.args:
            self._changed(node.args[0])
        if self._is_by_name(function):
            given = (
                node.args[1:2] if isinstance(function, ast.Name) and function.id in pure_names.BY_NAME else node.args
            )
            for one in given:
                if not (isinstance(one, ast.Constant) and isinstance(one.value, str)):
                    self._refuse(node, "asks for an attribute by a name that is computed")
                self._attributes(node, str(cast("ast.Constant", one).value).split("."))
            for part in (*node.args, *(one.value for one in node.keywords)):
                self.visit(part)
            return
        self.generic_visit(node)

    def _is_by_name(self, function: ast.expr) -> bool:
        """Return whether a call is of `getattr` or a similar function."""
        if isinstance(function, ast.Name):
            found = self._scope.find(function.id)
            targets = {function.id} if found is None else found[1]
        elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            found = self._scope.find(function.value.id)
            targets = {f"{one}.{function.attr}" for one in found[1]} if found is not None else set()
        else:
            return False
        return bool(targets) and targets <= pure_names.BY_NAME

    def _named(self, node: ast.AST, name: ast.Name, chain: list[str]) -> None:
        """Judge a name with the attributes that follow it."""
        found = self._scope.find(name.id)
        if found is None:
            self._attributes(node, chain)
            if isinstance(name.ctx, ast.Load) and (
                name.id not in pure_names.BUILTINS or name.id in pure_names.BY_NAME
            ):
                self._refuse(node, f"uses {name.id}")
            return
        for target in found[1]:
            if target == OWN:
                self._attributes(node, chain)
                continue
            if not isinstance(getattr(node, "ctx", None), ast.Load):
                if chain:
                    self._refuse(node, f"changes {'.'.join([target, *chain])}")
                continue
            fault = self._fault(".".join([target, *chain]))
            if fault:
                self._refuse(node, fault)

    def _fault(self, dotted: str, depth: int = 0) -> str:
        """Return the fault of using this import, or ""."""
        parts = dotted.split(".")
        for length in range(len(parts), 0, -1):
            module = self._modules.get(".".join(parts[:length]))
            if module is None:
                continue
            name, rest = parts[length : length + 1], parts[length + 1 :]
            if not name:
                return f"uses the module {dotted} as a value"
            targets = module.bound.get(name[0])
            if targets is None or depth > len(self._modules):
                return f"uses {dotted}"
            wrong = [one for one in rest if not pure_names.is_attribute_known(one)] if OWN in targets else []
            if wrong:
                return f"asks for {wrong[0]}"
            faults = (self._fault(".".join([one, *rest]), depth + 1) for one in sorted(targets - {OWN}))
            return next(filter(None, faults), "")
        return "" if dotted.split(".", maxsplit=1)[0] == "__future__" else self._outside(dotted)

    def _outside(self, dotted: str) -> str:
        return f"uses {dotted}" if dotted in pure_names.BY_NAME else pure_names.fault_of(dotted)

    def _attributes(self, node: ast.AST, names: Iterable[str]) -> None:
        for name in names:
            if not pure_names.is_attribute_known(name):
                self._refuse(node, f"asks for {name}")

    def _changed(self, node: ast.expr) -> None:
        """Refuse a function's change to a value that is not its own."""
        inner: ast.AST = node
        while isinstance(inner, (ast.Attribute, ast.Subscript, ast.Call)):
            inner = inner.func if isinstance(inner, ast.Call) else inner.value
        function = self._scope.function()
        if not isinstance(inner, ast.Name) or function.kind != "function":
            return
        found = self._scope.find(inner.id)
        if found is None or OWN not in found[1]:
            return
        if found[0].function() is not function or (found[0] is function and inner.id in function.kept):
            self._refuse(node, f"keeps {inner.id} from one record to the next")


def absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the full name of the module that a `from` imports from."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])


def _runs(node: ast.If) -> bool:
    """Return whether the body of an `if` may run in a job: not for scripts or type checkers only."""
    test = ast.unparse(node.test)
    return test not in ("__name__ == '__main__'", "TYPE_CHECKING", "typing.TYPE_CHECKING")


def _bindings(body: Iterable[ast.AST], package: str) -> Bound:
    """Return the names that these statements bind in their scope."""
    bound: Bound = {}
    waiting: list[tuple[ast.AST, bool]] = [(node, False) for node in body]  # (node, is in a scope of its own)
    while waiting:
        node, inner = waiting.pop()
        for name, target in _bound_by(node, package, inner=inner):
            bound.setdefault(name, set()).add(target)
        if isinstance(node, ast.If) and not _runs(node):
            waiting += [(one, inner) for one in node.orelse]
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            inner = inner or isinstance(node, _Comprehension)
            waiting += [(one, inner) for one in ast.iter_child_nodes(node)]
    return bound


def _bound_by(node: ast.AST, package: str, *, inner: bool) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Import(names=names):
            for one in names:
                yield one.asname or one.name.split(".")[0], one.name if one.asname else one.name.split(".")[0]
        case ast.ImportFrom(names=names):
            for one in names:
                yield one.asname or one.name, f"{absolute(node, package)}.{one.name}"
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, OWN
        case ast.NamedExpr(target=ast.Name(id=name)):
            yield name, OWN
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if not inner:
            yield name, OWN
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name, OWN
        case ast.MatchMapping(rest=str(name)):
            yield name, OWN


def imported(source: Source) -> Iterator[str]:
    """Yield the top names of imported modules, except those of the standard library."""
    for node in ast.walk(ast.parse(source.text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names:
                yield top
