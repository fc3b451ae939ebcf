"""Environments of the configuration: all as Kedro reads them, and the one that a run writes."""

from collections.abc import Mapping
from pathlib import Path

from kedro.config import OmegaConfigLoader

from dogs_vs_cats.datasets.local_file import FolderDataset
from dogs_vs_cats.errors import EnvironmentFilesError
from dogs_vs_cats.project import MERGE_STRATEGY
from dogs_vs_cats.storage.atomic import replace_atomically

MARK = "# Written by"
"""How the `globals.yml` of a written environment begins."""

Environments = dict[str, OmegaConfigLoader]
"""The configuration of each environment, base and its own merged, by its name."""


class EnvironmentsDataset(FolderDataset):
    """Loads all shared environments; saves one, or several, each as a whole or not at all.

    `filepath` is the folder of all environments. An environment that a person wrote is never replaced.
    """

    def load(self) -> Environments:
        """Opens every environment that has a `globals.yml`, sorted by name; the private `local` is left out.

        Raises:
            EnvironmentFilesError: There is no such folder, as where the configuration comes from an archive.
        """
        if not (self._filepath / "base").is_dir():
            raise EnvironmentFilesError(
                f"There is no folder {self._filepath}/base. Tuning and the replication read the environments beside "
                "it, even where the configuration of the run comes from elsewhere. Run them in a folder that has it, "
                "such as a checkout of the project."
            )
        names = sorted(path.parent.name for path in self._filepath.glob("[!.]*/globals.yml"))
        return {
            name: OmegaConfigLoader(
                str(self._filepath), env=name, base_env="base", default_run_env="base", merge_strategy=MERGE_STRATEGY
            )
            for name in names
            if name != "local"
        }

    def save(self, data: dict[str, dict[str, str]]) -> None:
        """Writes environments, or replaces those that a run wrote before.

        Args:
            data: The text of each environment's files, by the name of the environment and of the file.

        Raises:
            EnvironmentFilesError: A person wrote an environment of that name.
        """
        environments = self.load()
        for name, files in data.items():
            refuse_unless_free(name, environments)
            if (self._filepath / name).exists() and name not in environments:
                raise EnvironmentFilesError(
                    f"conf/{name} is there already, without a globals.yml. Remove it, or choose another name."
                )
            with replace_atomically(self._filepath / name) as folder:
                folder.mkdir()
                for file, text in files.items():
                    (folder / file).write_text(text, encoding="utf-8")


def refuse_unless_free(name: str, environments: Mapping[str, OmegaConfigLoader]) -> None:
    """Makes sure that an environment may be written, and that it overwrites no results of another one.

    Args:
        name: Of the environment, and of its experiment.
        environments: Those there are.

    Raises:
        EnvironmentFilesError: A person wrote an environment of that name, or another one's experiment has it.
    """
    advice = "Choose another name, for instance: kedro run --pipelines=tuning --params=tuning.environment=tuned"
    for other, config in environments.items():
        first = (Path(config.conf_source) / other / "globals.yml").read_text(encoding="utf-8")
        if other == name and not first.startswith(MARK):
            raise EnvironmentFilesError(
                f"conf/{name} is there already, and no run has written it, so none overwrites it. {advice}"
            )
        if other != name and config["globals"].get("experiment") == name:
            raise EnvironmentFilesError(
                f"{name} is the experiment of conf/{other}: an environment of that name would overwrite its results. "
                f"{advice}"
            )
