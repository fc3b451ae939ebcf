"""docs/private_interfaces.md lists each private name of a library that the package uses, and names tests that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT, SOURCE

PAGE = PROJECT / "docs" / "private_interfaces.md"
ROW = re.compile(
    r"^\| `(?P<name>\w+)` \| [^|]+ \| `(?P<module>[\w/]+\.py)` \| `(?P<test>[\w/]+\.py)` \|$", re.MULTILINE
)
PUBLIC = {"_exit", "_replace"}
"""Documented in spite of their names: `os._exit` and `_replace` of named tuples."""


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def own_names(tree: ast.AST) -> Iterator[str]:
    """Names that a module defines, as functions, methods, variables or attributes of `self`."""
    for part in ast.walk(tree):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield part.name
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id
        elif isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
            yield part.attr


def used_names(tree: ast.AST) -> Iterator[str]:
    """Private names that a module reads from an object or imports from another package."""
    for part in ast.walk(tree):
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Load) and private(part.attr):
            yield part.attr
        elif isinstance(part, ast.ImportFrom) and not (part.module or "").startswith("dogs_vs_cats"):
            names = [*(part.module or "").split("."), *(alias.name for alias in part.names)]
            yield from filter(private, names)


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.AST]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")}


def test_the_page_lists_each_private_name_with_the_modules_that_use_it(trees: dict[Path, ast.AST]) -> None:
    own = {name for tree in trees.values() for name in own_names(tree)}
    used = {
        (name, path.relative_to(SOURCE / "dogs_vs_cats").as_posix())
        for path, tree in trees.items()
        for name in used_names(tree)
        if name not in own
    }
    listed = {(row["name"], row["module"]) for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))}
    assert listed == used


def test_the_tests_that_the_page_names_exist() -> None:
    rows = list(ROW.finditer(PAGE.read_text(encoding="utf-8")))
    assert rows
    assert [row["test"] for row in rows if not (PROJECT / "tests" / row["test"]).is_file()] == []
