"""Opens the source of a run once, although two steps need it: the check before the run, and ingestion.

Listing a source takes seconds for 100,000 files, and far longer on a file system in the network. So the check leaves
the source here, and ingestion takes it over. Without a check, ingestion opens the source itself.
"""

from dogs_vs_cats.images.sources import Source, open_source
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.project import ROOT

_left: dict[tuple[str, int], Source] = {}
"""Open sources by their parameters and their seed."""


def open_for_training(ingestion: IngestionParameters, seed: int) -> Source:
    """Takes over the source that was left here for the same parameters, or else opens it.

    Args:
        ingestion: The source, and the number of sample images to draw.
        seed: Seed of the sample images.

    Returns:
        A labelled source, to be used as a context manager.

    Raises:
        SourceError: The source can't be opened.
        SplitError: The number of sample images to draw is given as a fraction.
    """
    left = _left.pop((ingestion.model_dump_json(), seed), None)
    return left or open_source(ingestion, ROOT, seed=seed)


def leave_open(ingestion: IngestionParameters, seed: int, source: Source) -> None:
    """Leaves a source to the next call of `open_for_training`."""
    _left[ingestion.model_dump_json(), seed] = source


def close_left() -> None:
    """Closes what nobody has taken over, so that a later run lists the files that there are then."""
    for source in _left.values():
        source.__exit__()
    _left.clear()
