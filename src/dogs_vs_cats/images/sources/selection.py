"""Some of the classes of a source, in a given order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from dogs_vs_cats.errors import SourceError, listed
from dogs_vs_cats.images.sources.base import Entry, Source
from dogs_vs_cats.images.sources.reading import label_of


class SelectedClasses(Source):
    """A source restricted to `classes`, which become labels 0, 1, … in the given order.

    Args:
        source: The whole source; it is closed together with this one.
        classes: Names of classes it has. Case matters only where classes differ in nothing else.

    Raises:
        SourceError: The source has no such class, or a class is named twice.
    """

    def __init__(self, source: Source, classes: Sequence[str]) -> None:
        old_labels = [_label_of(name, source.class_names) for name in classes]
        if twice := [source.class_names[label] for label, count in Counter(old_labels).items() if count > 1]:
            raise SourceError(f"ingestion.classes names {twice[0]} twice; each class can have one label only.")
        new_labels = {old: new for new, old in enumerate(old_labels)}
        self.class_names = [source.class_names[label] for label in old_labels]
        self.rejected = source.rejected
        self._source = source
        self._old_labels = old_labels
        self._entries = [
            replace(entry, label=new_labels[entry.label]) for entry in source.entries() if entry.label in new_labels
        ]

    def read(self, entry: Entry) -> bytes | np.ndarray:
        """Returns one image, see `Source.read`."""
        return self._source.read(replace(entry, label=self._old_labels[entry.label]))

    def __enter__(self) -> Self:
        self._source.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self._source.__exit__(*reason)


def _label_of(wanted: str, found: Sequence[str]) -> int:
    label = label_of(wanted, found)
    if label is None:
        raise SourceError(
            f"ingestion.classes names {wanted}, but the source's classes are: {listed(found, 20)}. "
            "Name some of these in the order of their labels, or set null for all."
        )
    return label
