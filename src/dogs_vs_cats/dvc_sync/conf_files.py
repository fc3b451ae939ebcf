"""The environments of the project, as their files say."""

from pathlib import Path
from typing import Any

from dogs_vs_cats.parameters.files import read_yaml

PRIVATE = "local"
"""The environment that Kedro loads where none is named, and that nobody else has."""


def base_parameters(root: Path) -> dict[str, dict[str, Any]]:
    """The parameter files of `conf/base`, by name."""
    return {path.name: read_yaml(path) for path in sorted((root / "conf/base").glob("parameters*.yml"))}


def environment_folders(root: Path) -> list[Path]:
    """The environments that everyone has: folders in `conf` with a `globals.yml`, except `local`."""
    return sorted(path.parent for path in (root / "conf").glob("*/globals.yml") if path.parent.name != PRIVATE)


def approaches(folder: Path) -> set[str] | None:
    """The approaches that an environment lists; None where it leaves those of base."""
    contents = map(read_yaml, sorted(folder.glob("parameters*.yml")))
    return next((set(content["approaches"]) for content in contents if "approaches" in content), None)
