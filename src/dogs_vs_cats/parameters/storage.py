"""Parameters of the caches on disk."""

from pydantic import PositiveFloat

from dogs_vs_cats.parameters.base import ParameterGroup


class StorageParameters(ParameterGroup):
    """How much room the caches may take. None of these changes a result.

    Attributes:
        cache_limit_gib: GiB that cached images and features of all experiments may take beside the results, which link
            to them. At the end of a run the least recently used ones beyond it are removed, but none that a run which
            is going on uses; None removes nothing.
    """

    cache_limit_gib: PositiveFloat | None
