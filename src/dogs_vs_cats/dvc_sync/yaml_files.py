"""The configuration as it is written, before Kedro merges and fills it in."""

from pathlib import Path
from typing import Any

import yaml

from dogs_vs_cats.errors import ConfigurationError
from dogs_vs_cats.session.config_loader import yaml_problem


def read_yaml(path: Path, replacements: tuple[str, str] = ("", "")) -> dict[str, Any]:
    """Reads a file of `conf`.

    Args:
        path: The file.
        replacements: A text in it, and what to read in its place.

    Returns:
        Its content; empty where it has only comments.

    Raises:
        ConfigurationError: It isn't YAML, or doesn't hold named values.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text.replace(*replacements) if replacements[0] else text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{yaml_problem(path, error)}. Correct the file, and run again.") from None
    if not isinstance(content or {}, dict):
        raise ConfigurationError(f"{path} should hold named values. Correct the file, and run again.")
    return content or {}
