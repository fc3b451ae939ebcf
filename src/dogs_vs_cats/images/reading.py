"""Reads a source on all cores and writes what it holds to files, in the source's order and in bounded memory."""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.parallel import in_order
from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.decoding import BIT_DEPTHS, ImageRejected, decode, needed_bits
from dogs_vs_cats.images.near_duplicates import THUMBNAIL_SIZE, thumbnail
from dogs_vs_cats.images.sources import Entry, ImageReadError, Source
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.progress import progress

logger = logging.getLogger(__name__)

LAYOUT = 4
"""To be raised with every change of what `write_decoded` writes, so that nobody loads what was written otherwise."""

_CHUNK_ENTRIES = 32
_CHUNK_BYTES = 4 * 1024**2

# Up to this fraction of all values may be outliers, which say nothing about the depth of a source.
_OUTLIERS = 0.001

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
        bit_depth: Bits that the 16-bit images use; None where there are none.
        constant: Paths of those usable that have one colour all over.
        unreadable: Paths of those rejected that couldn't be read; another attempt may succeed.
    """

    images: np.ndarray
    thumbnails: np.ndarray
    usable: pd.DataFrame
    rejected: pd.DataFrame
    class_names: list[str]
    bit_depth: int | None
    constant: list[str]
    unreadable: list[str]


@dataclass(frozen=True, slots=True)
class _Picture:
    pixels: np.ndarray
    thumbnail: np.ndarray
    sha256: str
    width: int
    height: int
    is_file: bool
    deeper: tuple[float, ...] = ()

    @property
    def is_constant(self) -> bool:
        """Whether all pixels are equal; most images are settled by a look at the thumbnail."""
        return bool(np.ptp(self.thumbnail) == 0 and (self.pixels == self.pixels[0, 0]).all())


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    unreadable: bool


def write_decoded(source: Source, ingestion: IngestionParameters, folder: Path) -> None:
    """Decodes every image of a source into a folder, from which `load_decoded` gets it back.

    Of byte-identical files the first one is kept. A published dataset of arrays is kept whole, duplicates included
    (Fashion-MNIST has some): others report on its official parts as they are. No more than a few megabytes of pictures
    are in memory at once. Images with 16 bits a sample are decoded again if their source turns out to use fewer bits.

    Args:
        source: An open source.
        ingestion: Uses `image_size`, `channels` and the decoder's options.
        folder: An empty folder.
    """
    entries = source.entries()
    bit_depth = ingestion.decoding()["bit_depth"]
    with _Output(folder, ingestion, len(entries)) as output:
        with progress("Decoding", len(entries)) as advance:
            for entry, outcome in _outcomes(source, entries, ingestion, bit_depth or BIT_DEPTHS[-1]):
                advance()
                output.add(entry, outcome)
        if output.deeper and bit_depth is None:
            bit_depth = _find_bit_depth(list(output.deeper.values()), len(output.rows))
            if bit_depth < BIT_DEPTHS[-1]:
                again = [entry for entry in entries if entry.path in output.deeper]
                with progress(f"Decoding at {bit_depth} bits", len(again)) as advance:
                    for entry, outcome in _outcomes(source, again, ingestion, bit_depth):
                        advance()
                        output.replace(entry, outcome)
    rejected = [*source.rejected, *output.rejected]
    table = {
        "usable": {name: [row[column] for row in output.rows] for column, name in enumerate(_COLUMNS)},
        "rejected": {name: [row[column] for row in rejected] for column, name in enumerate(("path", "reason"))},
        "class_names": source.class_names,
        "bit_depth": bit_depth if output.deeper else None,
        "constant": [row[0] for row in output.rows if row[0] in output.constant],
        "unreadable": output.unreadable,
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
        bit_depth=table["bit_depth"],
        constant=table["constant"],
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
    bit_depth = decoded.bit_depth or BIT_DEPTHS[-1]
    outcomes = (_prepare(source, entry, ingestion, bit_depth) for entry in again)
    return not all(isinstance(outcome, _Refusal) and outcome.unreadable for outcome in outcomes)


def _find_bit_depth(deeper: list[tuple[float, ...]], images: int) -> int:
    """Finds how many bits the 16-bit images of a source use, and says so; `deeper` as in `DecodedImage`."""
    fractions = np.array(deeper)
    bit_depth = max(needed_bits(row) for row in deeper)
    logger.info(
        "%s of %s images have 16 bits a sample and use %d of them, so that white is %s. If it isn't, set "
        "ingestion.bit_depth",
        f"{len(deeper):,}",
        f"{images:,}",
        bit_depth,
        f"{2**bit_depth - 1:,}",
    )
    typical = needed_bits(tuple(np.maximum(fractions.mean(axis=0) - _OUTLIERS, 0)))
    if typical < bit_depth:
        logger.warning(
            "Only %.2g %% of their values need more than %d bits. If these are hot pixels, burnt-in text or images of "
            "another kind, all others come out too dark: set ingestion.bit_depth to %d",
            100 * fractions[:, BIT_DEPTHS.index(typical)].mean(),
            typical,
            typical,
        )
    return bit_depth


def _outcomes(
    source: Source, entries: list[Entry], ingestion: IngestionParameters, bit_depth: int
) -> Iterator[tuple[Entry, _Picture | _Refusal]]:
    """Yields every entry with what became of it, in order and in bounded memory."""
    chunk = max(1, min(_CHUNK_ENTRIES, _CHUNK_BYTES // (ingestion.image_size**2 * ingestion.channels)))
    return in_order(lambda entry: _prepare(source, entry, ingestion, bit_depth), entries, chunk)


def _prepare(source: Source, entry: Entry, ingestion: IngestionParameters, bit_depth: int) -> _Picture | _Refusal:
    try:
        data = source.read(entry)
        image = decode(
            data,
            image_size=ingestion.image_size,
            channels=ingestion.channels,
            **ingestion.decoding(bit_depth),
        )
    except ImageReadError as error:
        return _Refusal(error.reason, unreadable=True)
    except ImageRejected as error:
        return _Refusal(error.reason, unreadable=error.may_pass)
    content = data if isinstance(data, bytes) else np.ascontiguousarray(data).data
    digest = hashlib.sha256(content).hexdigest()
    pixels, width, height, deeper = image
    return _Picture(pixels, thumbnail(pixels), digest, width, height, isinstance(data, bytes), deeper)


class _Output:
    """The files that a source is decoded into, and what is known of each image.

    Attributes:
        rows: A row for each image, see `_COLUMNS`.
        rejected: Path and reason of the others.
        unreadable: Paths of those rejected that couldn't be read.
        constant: Paths of the images that have one colour all over.
        deeper: `DecodedImage.deeper` of the images with 16 bits a sample, by path.
    """

    def __init__(self, folder: Path, ingestion: IngestionParameters, at_most: int):
        shape = ingestion.image_size, ingestion.image_size, ingestion.channels
        self._images = _GrowingArray(folder / "images.npy", shape, at_most)
        self._thumbnails = _GrowingArray(folder / "thumbnails.npy", (THUMBNAIL_SIZE, THUMBNAIL_SIZE), at_most)
        self._row_of_sha256: dict[str, int] = {}
        self.rows: list[tuple[str, int, str, str, int, int]] = []
        self.rejected: list[tuple[str, str]] = []
        self.unreadable: list[str] = []
        self.constant: set[str] = set()
        self.deeper: dict[str, tuple[float, ...]] = {}

    def __enter__(self) -> Self:
        self._images.__enter__()
        self._thumbnails.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thumbnails.__exit__(kind)
        self._images.__exit__(kind)

    def add(self, entry: Entry, outcome: _Picture | _Refusal) -> None:
        if isinstance(outcome, _Refusal):
            self.rejected.append((entry.path, outcome.reason))
            if outcome.unreadable:
                self.unreadable.append(entry.path)
            return
        row = len(self.rows)
        first = self._row_of_sha256.setdefault(outcome.sha256, row)
        if first != row and outcome.is_file:
            self.rejected.append((entry.path, f"duplicate of {self.rows[first][0]}"))
            return
        self.rows.append((entry.path, entry.label, entry.part, outcome.sha256, outcome.width, outcome.height))
        self._write(row, entry.path, outcome)

    def replace(self, entry: Entry, outcome: _Picture | _Refusal) -> None:
        """Writes an image again that was decoded at another bit depth."""
        row = None if isinstance(outcome, _Refusal) else self._row_of_sha256.get(outcome.sha256)
        if row is None or isinstance(outcome, _Refusal):
            raise SourceError(f"{entry.path} changed while the images were decoded. Run again.")
        self._write(row, entry.path, outcome)

    def _write(self, row: int, path: str, picture: _Picture) -> None:
        self._images.write(row, picture.pixels)
        self._thumbnails.write(row, picture.thumbnail)
        (self.constant.add if picture.is_constant else self.constant.discard)(path)
        if picture.deeper:
            self.deeper[path] = picture.deeper


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

    def write(self, row: int, values: np.ndarray) -> None:
        """Writes one row: the next one, or an earlier one again."""
        self._file.seek(self._start + row * values.nbytes)
        self._file.write(np.ascontiguousarray(values).data)
        self._rows = max(self._rows, row + 1)

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
