"""The configuration as it is written, before Kedro merges and fills it in."""

from pathlib import Path
from typing import Any

import yaml

from dogs_vs_cats.errors import ConfigurationError, yaml_problem

PRIVATE = "local"
"""The environment that Kedro loads where none is named, and that nobody else has."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a file of `conf`.

    Args:
        path: The file.

    Returns:
        Its content; empty where the file holds only comments.

    Raises:
        ConfigurationError: It isn't YAML, or doesn't hold named values.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{yaml_problem(path, error)}. Correct the file, and run again.") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} should hold named values. Correct the file, and run again.")
    return content


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
