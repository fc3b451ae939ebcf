"""Environments of the configuration that a run writes."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml
from kedro.io import AbstractDataset

from dogs_vs_cats.errors import EnvironmentFilesError
from dogs_vs_cats.storage.atomic import replace_atomically

MARK = "# Written by"
"""How the `globals.yml` of a written environment begins."""


class Environment(NamedTuple):
    """A folder of configuration.

    Attributes:
        name: Of the folder.
        files: Text of its files, by their names.
    """

    name: str
    files: dict[str, str]


class EnvironmentsDataset(AbstractDataset[Environment, list[Environment]]):
    """Loads all shared environments; saves one, as a whole or not at all.

    An environment that a person wrote is never replaced.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        """Remembers the folder.

        Args:
            filepath: The folder of all environments.
            metadata: Anything; Kedro hands it through.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> list[Environment]:
        """Reads every environment that has a `globals.yml`, sorted by name; the private `local` is left out.

        Raises:
            EnvironmentFilesError: There is no such folder, as where the configuration comes from an archive.
        """
        if not self._filepath.is_dir():
            raise EnvironmentFilesError(
                f"There is no folder {self._filepath}. Tuning and the replication read the environments in it, even "
                "where the configuration of the run comes from elsewhere. Run them in a folder that has it, such as a "
                "checkout of the project."
            )
        folders = sorted(
            path.parent for path in self._filepath.glob("[!.]*/globals.yml") if path.parent.name != "local"
        )
        return [
            Environment(
                folder.name, {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yml"))}
            )
            for folder in folders
        ]

    def save(self, data: Environment) -> None:
        """Writes an environment, or writes one anew that was written so before.

        Raises:
            EnvironmentFilesError: It is someone else's.
        """
        refuse_unless_free(data.name, self.load())
        if (self._filepath / data.name).exists() and not any(data.name == found.name for found in self.load()):
            raise EnvironmentFilesError(
                f"conf/{data.name} is there already, without a globals.yml. Remove it, or choose another name."
            )
        with replace_atomically(self._filepath / data.name) as folder:
            folder.mkdir()
            for name, text in data.files.items():
                (folder / name).write_text(text, encoding="utf-8")

    def _exists(self) -> bool:
        # No pipeline makes them, so loading says best what is missing.
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


def refuse_unless_free(name: str, environments: list[Environment]) -> None:
    """Makes sure that an environment may be written, and that nothing of another's results is overwritten by it.

    Args:
        name: Of the environment, and of its experiment.
        environments: Those there are.

    Raises:
        EnvironmentFilesError: A person wrote an environment of that name, or another one's experiment has it.
    """
    for environment in environments:
        text = environment.files["globals.yml"]
        if environment.name == name and not text.startswith(MARK):
            raise EnvironmentFilesError(
                f"conf/{name} is there already, and no run has written it, so none overwrites it. Choose another "
                "name, for instance: kedro run --pipelines=tuning --params=tuning.environment=tuned"
            )
        if environment.name != name and (yaml.safe_load(text) or {}).get("experiment") == name:
            raise EnvironmentFilesError(
                f"{name} is the experiment of conf/{environment.name}: an environment of that name would overwrite its "
                "results. Choose another name, for instance: kedro run --pipelines=tuning "
                "--params=tuning.environment=tuned"
            )
