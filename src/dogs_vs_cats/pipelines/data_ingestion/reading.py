"""Reads a source on all cores and writes what it holds to files, in the source's order and in bounded memory."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import pandas as pd

from dogs_vs_cats.decoding import ImageRejected, decode, resize, to_channels
from dogs_vs_cats.near_duplicates import THUMBNAIL_SIZE, thumbnail
from dogs_vs_cats.parallel import in_order
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.progress import progress
from dogs_vs_cats.sources import Entry, ImageReadError, Source

LAYOUT = 4
"""To be raised with every change of what `write_decoded` writes, so that nobody loads what was written otherwise."""

_CHUNK_ENTRIES = 32
_CHUNK_BYTES = 4 * 1024**2

_COLUMNS = ("path", "label", "part", "sha256", "width", "height")


@dataclass(frozen=True, slots=True)
class DecodedSource:
    """All usable images of a source.

    Attributes:
        images: uint8 memory map of shape (n, image_size, image_size, channels).
        thumbnails: uint8 memory map of shape (n, `THUMBNAIL_SIZE`, `THUMBNAIL_SIZE`), see `near_duplicates`.
        usable: A row for each of `images`: path, label, part, sha256, width, height.
        rejected: path and reason of everything else.
        class_names: Names of the classes, by label.
        unreadable: Paths of those rejected that couldn't be read; another attempt may succeed.
    """

    images: np.ndarray
    thumbnails: np.ndarray
    usable: pd.DataFrame
    rejected: pd.DataFrame
    class_names: list[str]
    unreadable: list[str]


@dataclass(frozen=True, slots=True)
class _Picture:
    pixels: np.ndarray
    thumbnail: np.ndarray
    sha256: str
    width: int
    height: int
    is_file: bool


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    unreadable: bool


def write_decoded(source: Source, ingestion: IngestionParameters, folder: Path) -> None:
    """Decodes every image of a source into a folder, from which `load_decoded` gets it back.

    Of byte-identical files the first one is kept. A published dataset of arrays is kept whole, duplicates included
    (Fashion-MNIST has some): others report on its official parts as they are. No more than a few megabytes of pictures
    are in memory at once.

    Args:
        source: An open source.
        ingestion: Uses `image_size`, `channels` and `max_pixels`.
        folder: An empty folder.
    """
    entries = source.entries()
    size, channels = ingestion.image_size, ingestion.channels
    rows: list[tuple[str, int, str, str, int, int]] = []
    rejected = list(source.rejected)
    first_paths: dict[str, str] = {}
    unreadable: list[str] = []
    with (
        _GrowingArray(folder / "images.npy", (size, size, channels), len(entries)) as images,
        _GrowingArray(folder / "thumbnails.npy", (THUMBNAIL_SIZE, THUMBNAIL_SIZE), len(entries)) as thumbnails,
        progress("Decoding", len(entries)) as advance,
    ):
        for entry, outcome in _outcomes(source, entries, ingestion):
            advance()
            if isinstance(outcome, _Refusal):
                rejected.append((entry.path, outcome.reason))
                if outcome.unreadable:
                    unreadable.append(entry.path)
                continue
            first = first_paths.setdefault(outcome.sha256, entry.path)
            if first != entry.path and outcome.is_file:
                rejected.append((entry.path, f"duplicate of {first}"))
                continue
            images.append(outcome.pixels)
            thumbnails.append(outcome.thumbnail)
            rows.append((entry.path, entry.label, entry.part, outcome.sha256, outcome.width, outcome.height))
    table = {
        "usable": {name: [row[column] for row in rows] for column, name in enumerate(_COLUMNS)},
        "rejected": {name: [row[column] for row in rejected] for column, name in enumerate(("path", "reason"))},
        "class_names": source.class_names,
        "unreadable": unreadable,
    }
    (folder / "table.json").write_text(json.dumps(table), encoding="utf-8")


def load_decoded(folder: Path) -> DecodedSource:
    """Opens what `write_decoded` has written."""
    table = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    return DecodedSource(
        images=np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False),
        thumbnails=np.load(folder / "thumbnails.npy", mmap_mode="r", allow_pickle=False),
        usable=pd.DataFrame(table["usable"]),
        rejected=pd.DataFrame(table["rejected"]),
        class_names=table["class_names"],
        unreadable=table["unreadable"],
    )


def can_be_read_now(source: Source, decoded: DecodedSource, ingestion: IngestionParameters) -> bool:
    """Tries the unreadable files of a decoded source again, and no others.

    Args:
        source: The open source.
        decoded: What an earlier run made of it.
        ingestion: The parameters of both.

    Returns:
        Whether any of them is readable now, so that the source has to be decoded again.
    """
    unreadable = set(decoded.unreadable)
    again = [entry for entry in source.entries() if entry.path in unreadable]
    outcomes = (_prepare(source, entry, ingestion) for entry in again)
    return not all(isinstance(outcome, _Refusal) and outcome.unreadable for outcome in outcomes)


def _outcomes(
    source: Source, entries: list[Entry], ingestion: IngestionParameters
) -> Iterator[tuple[Entry, _Picture | _Refusal]]:
    """Yields every entry with what became of it, in order and in bounded memory."""
    chunk = max(1, min(_CHUNK_ENTRIES, _CHUNK_BYTES // (ingestion.image_size**2 * ingestion.channels)))
    return in_order(lambda entry: _prepare(source, entry, ingestion), entries, chunk)


def _prepare(source: Source, entry: Entry, ingestion: IngestionParameters) -> _Picture | _Refusal:
    size, channels = ingestion.image_size, ingestion.channels
    try:
        ready = source.decoded(entry)
        if ready is not None:
            digest = hashlib.sha256(np.ascontiguousarray(ready).data).hexdigest()
            pixels = resize(to_channels(ready, channels), size)
            return _Picture(pixels, thumbnail(pixels), digest, ready.shape[1], ready.shape[0], is_file=False)
        data = source.read(entry)
        image = decode(data, image_size=size, channels=channels, max_pixels=ingestion.max_pixels)
    except ImageReadError as error:
        return _Refusal(error.reason, unreadable=True)
    except ImageRejected as error:
        return _Refusal(error.reason, unreadable=error.may_pass)
    digest = hashlib.sha256(data).hexdigest()
    return _Picture(image.pixels, thumbnail(image.pixels), digest, image.width, image.height, is_file=True)


class _GrowingArray:
    """Writes a uint8 `.npy` file row by row without knowing beforehand how many rows there will be.

    Rows go through ordinary writes: pages of a memory map would count as memory of this process.
    """

    def __init__(self, path: Path, row_shape: tuple[int, ...], at_most: int):
        self._path = path
        self._row_shape = row_shape
        self._at_most = at_most
        self._rows = 0

    def __enter__(self) -> Self:
        self._file: BinaryIO = self._path.open("wb")
        self._write_header(self._at_most)
        self._start = self._file.tell()
        return self

    def append(self, row: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(row).data)
        self._rows += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            # NumPy leaves room in the header for any number of rows, so that it can be replaced.
            self._file.seek(0)
            self._write_header(self._rows)
            if self._file.tell() != self._start:
                raise RuntimeError(f"the header of {self._path} has changed its length")
        self._file.close()

    def _write_header(self, rows: int) -> None:
        description = {"descr": "|u1", "fortran_order": False, "shape": (rows, *self._row_shape)}
        np.lib.format.write_array_header_1_0(self._file, description)
