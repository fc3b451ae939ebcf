"""The catalog, with one line for a mistake in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kedro.io import AbstractDataset, DataCatalog, DatasetError

from dogs_vs_cats.errors import ConfigurationError


@contextmanager
def _in_one_line() -> Iterator[None]:
    try:
        yield
    except DatasetError as error:
        reason = " ".join(str(error).partition("Hint:")[0].split()).rstrip(".")
        raise ConfigurationError(f"The catalog has a mistake. {reason}.") from error


class ProjectCatalog(DataCatalog):
    """Kedro's catalog; an entry that it can't make a dataset of is named in one line, without Kedro's hints."""

    @classmethod
    @_in_one_line()
    def from_config(cls, *arguments: Any, **options: Any) -> DataCatalog:
        """Makes a catalog; takes Kedro's arguments.

        Raises:
            ConfigurationError: An entry is wrong.
        """
        return super().from_config(*arguments, **options)

    @_in_one_line()
    def get(self, *arguments: Any, **options: Any) -> AbstractDataset[Any, Any] | None:
        """Returns a dataset; takes Kedro's arguments.

        Raises:
            ConfigurationError: Its entry is wrong.
        """
        return super().get(*arguments, **options)
