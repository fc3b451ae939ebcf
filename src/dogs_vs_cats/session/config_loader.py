"""The configuration, with one line for whatever is wrong in its files or folders."""

import re
import shutil
from contextlib import suppress
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kedro.config import OmegaConfigLoader
from omegaconf.errors import OmegaConfBaseException

from dogs_vs_cats.errors import ConfigurationError
from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.parameters.files import read_yaml

if TYPE_CHECKING:
    from dogs_vs_cats.session.base_defaults import ImageSize

_SUFFIXES = {".yml", ".yaml", ".json"}


class ConfigLoader(OmegaConfigLoader):
    """Kedro's loader; every command, session and notebook of the project reads its configuration here.

    The runtime parameter `experiment` takes the place of the one in `globals.yml`, so that runs of one environment can
    keep their results side by side.
    """

    def __init__(self, conf_source: str | Path, *arguments: Any, **options: Any):
        """Takes Kedro's arguments; an archive is unpacked for as long as the loader lives.

        Raises:
            ConfigurationError: The configuration has an address, and can't be read there.
        """
        self._given = str(conf_source)
        self.chosen_size: ImageSize | None = None
        self._parameters: dict[str, Any] | None = None
        runtime_params = dict(options.get("runtime_params") or {})
        self._experiment = runtime_params.pop("experiment", None)
        options["runtime_params"] = runtime_params
        if Path(conf_source).is_file():
            self._unpacked = TemporaryDirectory()
            with suppress(shutil.ReadError, ValueError):  # no archive of one folder, which is refused below
                shutil.unpack_archive(conf_source, self._unpacked.name)
                (conf_source,) = Path(self._unpacked.name).iterdir()
        try:
            super().__init__(str(conf_source), *arguments, **options)
        except Exception as error:  # of whatever library reads addresses of this kind
            if "://" not in self._given:
                raise
            raise ConfigurationError(
                f"{without_credentials(self._given)} can't be read ({type(error).__name__}). Set --conf-source to an "
                "address that exists, or to a folder like conf."
            ) from None

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Loads one kind of configuration, base and environment merged.

        Of parameters, what they leave to the base is filled in; `chosen_size` is the image size if it was. They are
        read once, as several hooks of a run ask for them.

        Args:
            key: `parameters`, `catalog`, `globals` or `credentials`.

        Raises:
            ConfigurationError: The environment doesn't exist, a file can't be read, an interpolation has no value, or
                the given experiment is no name of a folder.
            BackboneError: The images have the size of a base whose file isn't there.
            ModelFileError: That file is damaged.
        """
        if key != "parameters":
            return self._merged(key)
        if self._parameters is None:
            # Not at the top: every kedro command imports this module, and few read parameters.
            from dogs_vs_cats.session.base_defaults import fill_in

            self._parameters, self.chosen_size = fill_in(self._merged(key))
        return deepcopy(self._parameters)

    def _merged(self, key: str) -> dict[str, Any]:
        if "://" not in str(self.conf_source):
            self._check_folders()
        try:
            content = self._load(key)
        except OmegaConfBaseException as error:
            name = f"{key}: {error.full_key}" if error.full_key else key
            reason = (
                str(error).splitlines()[0].removeprefix("KeyError raised while resolving interpolation: ").strip('"')
            )
            raise ConfigurationError(
                f"{name}: {reason.removesuffix('.')}. Set it, or give a default: ${{oc.env:NAME,DEFAULT}} or "
                "${runtime_params:NAME,DEFAULT}. ${…} also takes a value of the same environment, or globals:NAME."
            ) from error
        except ValueError as error:  # a name in two files
            raise ConfigurationError(f"{' '.join(str(error).split())}. Correct the file, and run again.") from error
        if key == "globals" and self._experiment is not None:
            content = {**content, "experiment": _folder_name(self._experiment)}
        return content

    def _load(self, key: str) -> dict[str, Any]:
        try:
            return super().__getitem__(key)
        except Exception:
            for file in self._files(key):
                read_yaml(file)  # which names a wrong file and the line
            raise

    def interpolated_parameters(self) -> set[str]:
        """Runtime parameters (`--params`) that the files read with `${runtime_params:NAME}`, by their first part."""
        texts = [path.read_text(encoding="utf-8") for key in ("parameters", "catalog") for path in self._files(key)]
        return {name for text in texts for name in re.findall(r"\$\{runtime_params:\s*(\w+)", text)}

    def _check_folders(self) -> None:
        folder, environment = Path(self.conf_source), self.env or self.default_run_env
        if not (folder / self.base_env).is_dir():
            raise ConfigurationError(
                f"{self._given} is no configuration of this project: it has no folder {self.base_env}. Set "
                "--conf-source to a folder like conf, or to the archive that kedro package writes."
            )
        existing = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
        if environment in existing:
            return
        close = get_close_matches(environment, existing, n=1)
        default = "" if self.env else ", the default without --env"
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ConfigurationError(
            f"There is no environment {environment!r}{default}.{hint} Environments in {self._given}: "
            f"{', '.join(existing)}."
        )

    def _files(self, key: str) -> list[Path]:
        """The files of one kind of configuration."""
        folders = [Path(self.conf_source) / name for name in (self.base_env, self.env or self.default_run_env)]
        found = {path for folder in folders for pattern in self.config_patterns[key] for path in folder.glob(pattern)}
        return sorted(path for path in found if path.suffix in _SUFFIXES and path.is_file())


def _folder_name(experiment: Any) -> str:
    if not re.fullmatch(r"\w[\w.-]*", str(experiment)):
        raise ConfigurationError(
            f"experiment: {experiment!r} isn't a valid folder name. Results are in data/<layer>/EXPERIMENT: use "
            "letters, digits, '_', '-' and '.', as in --params=experiment=lecture_2."
        )
    return str(experiment)
