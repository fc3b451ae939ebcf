"""The catalog, with one line for a mistake in it."""

from typing import Any

from kedro.io import AbstractDataset, DataCatalog, DatasetError

from dogs_vs_cats.errors import ConfigurationError


class ProjectCatalog(DataCatalog):
    """Kedro's catalog; an entry that it can't make a dataset of is named in one line, without Kedro's hints."""

    @classmethod
    def from_config(cls, *arguments: Any, **options: Any) -> DataCatalog:
        """Makes a catalog; takes Kedro's arguments.

        Raises:
            ConfigurationError: An entry is wrong.
        """
        try:
            return super().from_config(*arguments, **options)
        except DatasetError as error:
            raise _mistake(error) from error

    def get(self, *arguments: Any, **options: Any) -> AbstractDataset[Any, Any] | None:
        """Returns a dataset; takes Kedro's arguments.

        Raises:
            ConfigurationError: Its entry is wrong.
        """
        try:
            return super().get(*arguments, **options)
        except DatasetError as error:
            raise _mistake(error) from error


def _mistake(error: DatasetError) -> ConfigurationError:
    reason = " ".join(str(error).partition("Hint:")[0].split()).rstrip(".")
    return ConfigurationError(f"The catalog has a mistake. {reason}.")
