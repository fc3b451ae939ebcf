"""Which source files can change what a function returns: the closure of its imports.

Names are followed, not whole modules. A package's `__init__.py` that only hands names on doesn't drag in everything
it names, and a function doesn't depend on what only its neighbours import. Nothing is imported to find out.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from dogs_vs_cats.project import ROOT

SOURCE = ROOT / "src"
PACKAGE = "dogs_vs_cats"

Binding = tuple[str, str | None]
"""A module, and a name in it; None is the module itself."""


@dataclass
class _Module:
    """What a module defines, taken from its syntax tree.

    Attributes:
        definitions: Statements that define each top-level name.
        imports: What each imported top-level name stands for, as far as it is in this package.
        executed: Statements that run when the module is imported, and define nothing.
    """

    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Binding] = field(default_factory=dict)
    executed: list[ast.stmt] = field(default_factory=list)


def source_files(roots: Iterable[Binding]) -> set[Path]:
    """Finds the files of this package that some names depend on.

    Args:
        roots: Modules of this package with one of their names each, or None for all of them.

    Returns:
        The files that define the names, all that these refer to directly or not, inside functions too, and every
        `__init__.py` with code in it that Python runs on the way. What is imported for type checking is left out.
    """
    seen: set[Binding] = set()
    waiting = list(roots)
    files = set()
    while waiting:
        binding = waiting.pop()
        if binding in seen:
            continue
        seen.add(binding)
        module, name = binding
        files.add(_file(module))
        waiting += _references(module, name)
        for parent in _parents(module):
            names = _parse(parent).definitions
            if _parse(parent).executed or any(not name.startswith("__") for name in names):
                files.add(_file(parent))
                waiting += [target for statement in _parse(parent).executed for target in _used(parent, statement)]
    return files


def _references(module: str, name: str | None) -> Iterator[Binding]:
    """What a name of a module refers to."""
    parsed = _parse(module)
    for statement in parsed.executed:
        yield from _used(module, statement)
    if name is None:
        for statements in parsed.definitions.values():
            for statement in statements:
                yield from _used(module, statement)
        yield from parsed.imports.values()
    elif name in parsed.definitions:
        for statement in parsed.definitions[name]:
            yield from _used(module, statement)
    elif name in parsed.imports:
        yield parsed.imports[name]
    elif _is_module(f"{module}.{name}"):
        yield f"{module}.{name}", None
    else:
        # Made in a way that the syntax doesn't show.
        yield module, None


def _used(module: str, statement: ast.stmt) -> Iterator[Binding]:
    """What the names in a statement stand for."""
    parsed = _parse(module)
    local: dict[str, Binding] = {}
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            local |= _imported(module, node)
    attributes = {id(node.value): node.attr for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
    for node in ast.walk(statement):
        if not isinstance(node, ast.Name):
            continue
        if node.id in parsed.definitions:
            yield module, node.id
        target = local.get(node.id) or parsed.imports.get(node.id)
        if target is None:
            continue
        if target[1] is None and id(node) in attributes:
            yield target[0], attributes[id(node)]
        else:
            yield target
    # An import alone runs the module, whether its name is used or not.
    yield from (target for target in local.values() if target[1] is not None)


@cache
def _parse(module: str) -> _Module:
    parsed = _Module()
    tree = ast.parse(_file(module).read_bytes())
    for statement in _top_level(tree.body):
        match statement:
            case ast.Import() | ast.ImportFrom():
                parsed.imports |= _imported(module, statement)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                parsed.definitions.setdefault(statement.name, []).append(statement)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                names = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
                for name in names:
                    parsed.definitions.setdefault(name, []).append(statement)
                if not names:
                    parsed.executed.append(statement)
            case ast.Expr(value=ast.Constant()):
                pass
            case _:
                parsed.executed.append(statement)
    return parsed


def _top_level(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run on import, those under `if` and `try` too, but not those for type checking."""
    for statement in statements:
        if isinstance(statement, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(statement.test):
                yield from _top_level(statement.body)
            yield from _top_level(statement.orelse)
        elif isinstance(statement, ast.Try):
            handlers = [inner for handler in statement.handlers for inner in handler.body]
            yield from _top_level([*statement.body, *handlers, *statement.orelse, *statement.finalbody])
        else:
            yield statement


def _imported(module: str, statement: ast.Import | ast.ImportFrom) -> dict[str, Binding]:
    """The names that an import binds to something in this package."""
    found: dict[str, Binding] = {}
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            if _is_module(alias.name):
                found[alias.asname or alias.name.partition(".")[0]] = (alias.name, None)
        return found
    source = statement.module or ""
    if statement.level:
        package = module if _file(module).name == "__init__.py" else module.rpartition(".")[0]
        base = package.split(".")[: len(package.split(".")) - statement.level + 1]
        source = ".".join([*base, *filter(None, [source])])
    if not _is_module(source):
        return found
    for alias in statement.names:
        inner = f"{source}.{alias.name}"
        name = None if alias.name == "*" else alias.name
        found[alias.asname or alias.name] = (inner, None) if _is_module(inner) else (source, name)
    return found


@cache
def _is_module(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE and _find(module) is not None


def _file(module: str) -> Path:
    path = _find(module)
    if path is None:
        raise ModuleNotFoundError(f"{module} is no module in {SOURCE}", name=module)
    return path


def _find(module: str) -> Path | None:
    stem = SOURCE.joinpath(*module.split("."))
    candidates = (stem / "__init__.py", stem.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]
