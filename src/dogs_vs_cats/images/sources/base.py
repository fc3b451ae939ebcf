"""The interface of every source of images: a list of its images, and the file or the pixels of each."""

import hashlib
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

UNLABELLED = -1
"""Label of an entry whose class isn't known."""


class ImageReadError(Exception):
    """One file of a source can't be read; the others still can.

    Attributes:
        reason: Why, in a few words that fit into a row of the rejected images.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a source, not yet read.

    Attributes:
        path: Posix path within the source, unique there.
        label: Index into the source's `class_names`, or -1 where the class isn't known.
        part: `train` or `test` where the source has official parts, else empty.
        size: Stored bytes, or -1 where that isn't known.
        token: Cheap identity of the content, like an ETag. It changes with the content and needs no reading of the
            image file: `crc32:size` in a zip, `size:mtime_ns` in a folder.
    """

    path: str
    label: int
    part: str
    size: int
    token: str


class Source(Protocol):
    """A place that images come from. Use it as a context manager; `read` is thread-safe.

    Attributes:
        class_names: Names of the classes; an entry's label is an index into them. Empty without labels.
        rejected: (path, reason) of what was refused while listing, before anything was read.
    """

    class_names: list[str]
    rejected: list[tuple[str, str]]
    _entries: list[Entry]

    def entries(self) -> list[Entry]:
        """Lists the files in a fixed, natural order (`cat.2` before `cat.10`) and opens none of them."""
        return self._entries

    def read(self, entry: Entry) -> bytes | np.ndarray:
        """Returns the bytes of one file; where the source has no files, pixels, uint8 (height, width, channels).

        Raises:
            ImageReadError: This image can't be read (gone, changed, encrypted, damaged, too large, …).
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes what is open; most sources hold nothing open."""
        return


def fingerprint(source: Source) -> str:
    """Identifies the content of a source without reading an image: equal fingerprints mean equal data.

    Returns:
        SHA-256, as hex digits, over the class names, every entry's path, label, part and token in their order, and
        what was rejected while listing.
    """
    digest = hashlib.sha256()
    rows: list[tuple[object, ...]] = [("classes", *source.class_names)]
    rows += [(entry.path, entry.label, entry.part, entry.token) for entry in source.entries()]
    rows += [("rejected", *row) for row in source.rejected]
    for row in rows:
        digest.update(repr(row).encode())
    return digest.hexdigest()
