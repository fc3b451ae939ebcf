"""One file of the configuration as it is written, before Kedro merges and fills it in."""

from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from yaml import MarkedYAMLError, YAMLError

from dogs_vs_cats.errors import ConfigurationError


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a file of `conf`.

    Args:
        path: The file.

    Returns:
        Its content, with `${…}` as it is written; empty where the file holds only comments.

    Raises:
        ConfigurationError: It isn't YAML, names something twice, or doesn't hold named values.
    """
    try:
        content = OmegaConf.load(path)
    except MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = f"{path}{line}: {error.problem or error.context}"
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        problem = f"{path}: {str(error).splitlines()[0]}"
    else:
        if isinstance(content, DictConfig):
            return cast(dict[str, Any], OmegaConf.to_container(content))
        problem = f"{path}: it holds a list, and should hold named values"
    raise ConfigurationError(f"{problem}. Correct the file, and run again.")
