"""The environments of the project, as their files say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dogs_vs_cats.parameters.files import read_yaml

PRIVATE = "local"
"""The environment that Kedro loads where none is named, and that nobody else has."""


def read_parameters(folder: Path) -> dict[str, dict[str, Any]]:
    """The parameter files of an environment, by name."""
    return {path.name: read_yaml(path) for path in sorted(folder.glob("parameters*.yml"))}


def merged(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """All groups of parameters of some files."""
    return {group: value for content in files.values() for group, value in content.items()}


def environment_folders(root: Path) -> list[Path]:
    """The environments that everyone has: folders in `conf` with a `globals.yml`, except `local`."""
    return sorted(path.parent for path in (root / "conf").glob("*/globals.yml") if path.parent.name != PRIVATE)


def is_reproducible(folder: Path) -> bool:
    """Whether DVC can run an environment: one with base's approaches, which are the stages of dvc.yaml."""
    base = merged(read_parameters(folder.with_name("base")))
    return set((base | merged(read_parameters(folder)))["approaches"]) == set(base["approaches"])
