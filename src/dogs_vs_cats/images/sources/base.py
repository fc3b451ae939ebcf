"""The interface of every source of images: a list of its images, and the file or the pixels of each."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from dogs_vs_cats.compute.parallel import in_order
from dogs_vs_cats.errors import SourceError, listed
from dogs_vs_cats.images.sources.names import label_of

logger = logging.getLogger(__name__)

UNLABELLED = -1
"""Label of an entry whose class isn't known."""


class ImageReadError(Exception):
    """One file of a source can't be read; the others still can. Its text fits into a row of the rejected images."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a source, not yet read.

    Attributes:
        path: Posix path within the source, unique there.
        label: Index into the source's `class_names`, or -1 where the class isn't known.
        part: `train` or `test` where the source has official parts, else empty.
        token: Cheap identity of the content, like an ETag. It changes with the content and needs no reading of the
            image file: `crc32:size` in a zip, `size:mtime:ctime` in a folder.
    """

    path: str
    label: int
    part: str
    token: str


class Source:
    """A place that images come from. Use it as a context manager; `read` is thread-safe.

    Attributes:
        class_names: Names of the classes; an entry's label is an index into them. Empty without labels.
        rejected: (path, reason) of what was refused while listing, before anything was read.
        columns: Headers of the table that the labels are from; empty without one.
        groups: Group of each image that has one, by its path, where `ingestion.group` is set.
    """

    def __init__(
        self, class_names: Sequence[str], entries: Iterable[Entry], rejected: Iterable[tuple[str, str]] = ()
    ) -> None:
        self.class_names = list(class_names)
        self.rejected = list(rejected)
        self.columns: list[str] = []
        self.groups: dict[str, str] = {}
        self._entries = list(entries)

    def entries(self) -> list[Entry]:
        """Lists the files in a fixed, natural order (`cat.2` before `cat.10`) and opens none of them."""
        return self._entries

    def read(self, entry: Entry) -> bytes | np.ndarray:
        """Returns the bytes of one file; where the source has no files, pixels, uint8 (height, width, channels).

        Raises:
            ImageReadError: This image can't be read (gone, changed, encrypted, damaged, too large, …).
        """
        raise NotImplementedError

    def prefetch(self, entries: Sequence[Entry]) -> None:
        """Says which files are read next, in about this order; a source in a network reads them ahead."""
        return

    def parts(self, entries: Sequence[Entry], size: int) -> Iterator["Source"]:
        """Yields sources of `size` entries each that can be pickled and read on another machine.

        Unless every machine can read this source, a part holds what it gives, and was read here.
        """
        for start in range(0, len(entries), size):
            yield self._part(entries[start : start + size])

    def _part(self, entries: Sequence[Entry]) -> "Source":
        return _ReadSource(self, entries)

    def log_classes(self, where: str) -> None:
        """Logs the number of entries of each class; `where` names the source."""
        logger.info("Classes in %s: %s.", where, self._counted(range(len(self.class_names))))

    def select(self, classes: Sequence[str]) -> None:
        """Restricts the source to some of its classes, which become labels 0, 1, … in the given order.

        Args:
            classes: Names of classes it has. Case matters only where classes differ in nothing else.

        Raises:
            SourceError: The source has no such class, or a class is named twice.
        """
        new_labels: dict[int, int] = {}
        for wanted in classes:
            label = label_of(wanted, self.class_names)
            if label is None or label in new_labels:
                problem = "which the source lacks" if label is None else "a class that it names already"
                raise SourceError(
                    f"ingestion.classes names {wanted}, {problem}; its classes are: {listed(self.class_names, 20)}. "
                    "Name some of these in the order of their labels, each once, or set null for all."
                )
            new_labels[label] = len(new_labels)
        if left_out := [label for label in range(len(self.class_names)) if label not in new_labels]:
            logger.info("Ignored %s: ingestion.classes names other classes.", self._counted(left_out))
        self.class_names = [self.class_names[label] for label in new_labels]
        self._entries = [
            replace(entry, label=new_labels[entry.label]) for entry in self._entries if entry.label in new_labels
        ]

    def _counted(self, labels: Iterable[int]) -> str:
        counts = Counter(entry.label for entry in self._entries)
        return listed([f"{self.class_names[label]} ({counts[label]:,})" for label in labels], 20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes what is open; most sources hold nothing open."""
        return


class _ReadSource(Source):
    """Entries that have been read from another source."""

    def __init__(self, source: Source, entries: Sequence[Entry]) -> None:
        super().__init__((), entries)

        def content(entry: Entry) -> bytes | np.ndarray | ImageReadError:
            try:
                return source.read(entry)
            except ImageReadError as error:
                return error

        self._contents = {entry.path: read for entry, read in in_order(content, entries, chunk=1)}

    def read(self, entry: Entry) -> bytes | np.ndarray:
        content = self._contents[entry.path]
        if isinstance(content, ImageReadError):
            raise content
        return content


def fingerprint(source: Source) -> str:
    """Identifies the content of a source without reading an image: equal fingerprints mean equal data.

    Returns:
        SHA-256, as hex digits, over the class names, every entry's path, label, part and token in their order, and
        what was rejected while listing.
    """
    content = source.class_names, source.entries(), source.rejected
    return hashlib.sha256(repr(content).encode()).hexdigest()
