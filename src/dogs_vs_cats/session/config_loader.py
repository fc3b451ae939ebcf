"""The configuration, with one line for whatever is wrong in its files or folders."""

import io
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from dogs_vs_cats.errors import ConfigurationError, yaml_problem

_SUFFIXES = {".yml", ".yaml", ".json"}


class ConfigLoader(OmegaConfigLoader):
    """Kedro's loader; every command, session and notebook of the project reads its configuration here."""

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Loads one kind of configuration, base and environment merged.

        Args:
            key: `parameters`, `catalog`, `globals` or `credentials`.

        Raises:
            ConfigurationError: The environment doesn't exist, a file can't be read, or an interpolation has no value.
        """
        self._check_folders()
        try:
            return super().__getitem__(key)
        except OmegaConfBaseException as error:
            raise ConfigurationError(_unresolved(key, error)) from error
        except (YAMLError, ValueError, AttributeError, OSError) as error:
            reason = next(self._unreadable_files(key), " ".join(str(error).split()))
            raise ConfigurationError(f"{reason}. Correct the file, and run again.") from error

    def interpolated_parameters(self) -> set[str]:
        """Runtime parameters (`--params`) that the files read with `${runtime_params:NAME}`, by their first part."""
        names: set[str] = set()
        for key in ("parameters", "catalog"):
            self[key]
            names |= self._runtime_params_hits
        return {name.partition(".")[0] for name in names}

    def _check_folders(self) -> None:
        root = Path(self._get_conf_env_path("any")).parent
        if not self._fs.isdir((root / self.base_env).as_posix()):
            raise ConfigurationError(
                f"{self.conf_source} is no configuration of this project: it has no folder {self.base_env}. Give "
                "--conf-source a folder like conf, or the archive that kedro package writes."
            )
        environment = self.env or self.default_run_env
        folders = [path for path in self._fs.ls(root.as_posix(), detail=False) if self._fs.isdir(path)]
        existing = sorted(Path(path).name for path in folders if not Path(path).name.startswith("."))
        if environment in existing:
            return
        close = get_close_matches(environment, existing, n=1)
        default = "" if self.env else ", which is read where --env names none"
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ConfigurationError(
            f"There is no environment {environment!r}{default}.{hint} There are {', '.join(existing)}, the folders of "
            f"{self.conf_source}."
        )

    def _unreadable_files(self, key: str) -> Iterator[str]:
        """Says of each file of some kind that can't be read where and why."""
        for environment in (self.base_env, self.env or self.default_run_env):
            folder = self._get_conf_env_path(environment)
            found = {path for pattern in self.config_patterns[key] for path in self._fs.glob(f"{folder}/{pattern}")}
            for path in sorted(found):
                if Path(path).suffix not in _SUFFIXES or not self._fs.isfile(path):
                    continue
                try:
                    content = OmegaConf.load(io.StringIO(self._fs.cat_file(path).decode("utf-8")))
                except (YAMLError, UnicodeDecodeError, OSError) as error:
                    yield yaml_problem(path, error)
                else:
                    if not isinstance(content, DictConfig):
                        yield f"{path}: it holds a list, and should hold named values"


def _unresolved(key: str, error: OmegaConfBaseException) -> str:
    """The message for an interpolation `${…}` that can't be resolved."""
    reason = str(error).splitlines()[0].removeprefix("KeyError raised while resolving interpolation: ").strip('"')
    reason = reason.removesuffix(".")
    name = f"{key}: {error.full_key}" if error.full_key else key
    if reason.startswith("Environment variable"):
        hint = "Set it, or give a default: ${oc.env:NAME,DEFAULT}"
    elif reason.startswith("Runtime parameter"):
        hint = "Give it with --params=NAME=VALUE, or give a default: ${runtime_params:NAME,DEFAULT}"
    else:
        hint = "In a file of conf, ${…} takes a value of the same environment, or globals:, oc.env: or runtime_params:"
    return f"{name}: {reason}. {hint}."
