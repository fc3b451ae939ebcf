"""The parts of this package that a stage depends on, found by following imports with grimp."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import grimp

PACKAGE = "dogs_vs_cats"
SOURCE = Path(__file__).parents[1]

NEUTRAL = {"errors", "progress", "project"}
"""Modules that name paths, show progress or word a failure: they change no result."""

CONTAINERS = {"approaches", "pipelines"}
"""Folders whose parts have nothing to do with each other; a stage depends on each part by itself."""

MOST_PARTS = 2
"""A stage that imports more parts of a folder than this, and all folders in it, depends on the whole folder."""


def source_paths(modules: Iterable[str]) -> list[str]:
    """Returns the folders and modules of this package that some modules import, directly or not.

    Imports inside functions count; those for type checking don't.

    Args:
        modules: Their full names.

    Returns:
        Sorted paths, relative to the folder of the package.
    """
    roots = set(modules)
    imported = roots.union(*(_graph().find_upstream_modules(module) for module in roots))
    folders: dict[str, set[str]] = defaultdict(set)
    for module in imported:
        folder, _, rest = module.removeprefix(f"{PACKAGE}.").partition(".")
        folders[folder].add(rest.partition(".")[0] or "__init__")
    return sorted(path for folder, parts in folders.items() for path in _paths(folder, parts))


def _paths(folder: str, parts: set[str]) -> list[str]:
    if folder in NEUTRAL:
        return []
    inner = {path.parent.name for path in (SOURCE / folder).glob("*/__init__.py")}
    several = len(parts) > MOST_PARTS and inner <= parts
    whole = folder not in CONTAINERS and (several or "__init__" in parts)
    names = [folder] if whole else [f"{folder}/{part}" for part in parts]
    return [name if (SOURCE / name).is_dir() else f"{name}.py" for name in names]


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
