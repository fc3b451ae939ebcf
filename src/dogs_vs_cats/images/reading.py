"""Reads a source on all cores and writes what it holds to files, in the source's order and in bounded memory."""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.parallel import in_order
from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.decoding import DecodedImage, ImageRejected, decode
from dogs_vs_cats.images.decoding.sixteen_bit import BIT_DEPTHS, needed_bits
from dogs_vs_cats.images.near_duplicates import THUMBNAIL_SIZE, thumbnail
from dogs_vs_cats.images.sources import Entry, ImageReadError, Source
from dogs_vs_cats.parameters.ingestion import DecodingOptions, IngestionParameters
from dogs_vs_cats.progress import track

logger = logging.getLogger(__name__)

LAYOUT = 4
"""Version of the files that `write_decoded` writes: raise it with every change, so that older files aren't loaded."""

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
class _Image:
    decoded: DecodedImage
    thumbnail: np.ndarray
    sha256: str
    is_file: bool

    @property
    def is_constant(self) -> bool:
        """Whether all pixels are equal; the thumbnail settles that for most images."""
        pixels = self.decoded.pixels
        return bool(np.ptp(self.thumbnail) == 0 and (pixels == pixels[0, 0]).all())


def read_image(
    source: Source, entry: Entry, image_size: int, channels: int, options: DecodingOptions
) -> tuple[bytes | np.ndarray, DecodedImage]:
    """Reads, decodes and resizes one image of a source.

    Args:
        source: An open source.
        entry: One of its images.
        image_size: Height and width of the result, in pixels.
        channels: 3 for RGB, 1 for grey.
        options: Options of `decode`.

    Returns:
        The file's bytes, or the pixels of a source without files; and the decoded image.

    Raises:
        ImageRejected: The image can't be read, or isn't usable.
    """
    try:
        data = source.read(entry)
    except ImageReadError as error:
        raise ImageRejected(error.reason, may_pass=True) from error
    return data, decode(data, image_size=image_size, channels=channels, **options)


def write_decoded(source: Source, ingestion: IngestionParameters, folder: Path) -> None:
    """Decodes every image of a source into a folder, which `load_decoded` opens.

    Of byte-identical files only the first one is used. A published dataset of arrays stays complete, duplicates
    included (Fashion-MNIST has some), because others report on its official parts as they are. No more than a few
    megabytes of images are in memory at once. Images with 16 bits a sample are decoded a second time if their source
    turns out to use fewer bits.

    Args:
        source: An open source.
        ingestion: Uses `image_size`, `channels` and the decoder's options.
        folder: An empty folder.
    """
    entries = source.entries()
    bit_depth = ingestion.decoding()["bit_depth"]
    with _Output(folder, ingestion, len(entries)) as output:
        for entry, image in _decoded(source, entries, ingestion, bit_depth or BIT_DEPTHS[-1], "Decoding"):
            output.add(entry, image)
        if output.deeper and bit_depth is None:
            bit_depth = _find_bit_depth(list(output.deeper.values()), len(output.rows))
            if bit_depth < BIT_DEPTHS[-1]:
                again = [entry for entry in entries if entry.path in output.deeper]
                for entry, image in _decoded(source, again, ingestion, bit_depth, f"Decoding at {bit_depth} bits"):
                    output.replace(entry, image)
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
        decoded: Its images as an earlier run decoded them.
        ingestion: The parameters of both.

    Returns:
        Whether any of them is readable now, so that the source has to be decoded again.
    """
    unreadable = set(decoded.unreadable)
    again = [entry for entry in source.entries() if entry.path in unreadable]
    bit_depth = decoded.bit_depth or BIT_DEPTHS[-1]
    images = (_prepare(source, entry, ingestion, bit_depth) for entry in again)
    return not all(isinstance(image, ImageRejected) and image.may_pass for image in images)


def _find_bit_depth(deeper: list[tuple[float, ...]], images: int) -> int:
    """Finds and logs how many bits the 16-bit images of a source use; `deeper` as in `DecodedImage`."""
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


def _decoded(
    source: Source, entries: list[Entry], ingestion: IngestionParameters, bit_depth: int, description: str
) -> Iterator[tuple[Entry, _Image | ImageRejected]]:
    """Yields every entry with its image or the reason against it, in order and in bounded memory."""
    chunk = max(1, min(_CHUNK_ENTRIES, _CHUNK_BYTES // (ingestion.image_size**2 * ingestion.channels)))
    images = in_order(lambda entry: _prepare(source, entry, ingestion, bit_depth), entries, chunk)
    yield from track(images, description, len(entries))


def _prepare(source: Source, entry: Entry, ingestion: IngestionParameters, bit_depth: int) -> _Image | ImageRejected:
    options = ingestion.decoding(bit_depth)
    try:
        data, image = read_image(source, entry, ingestion.image_size, ingestion.channels, options)
    except ImageRejected as error:
        return error
    content = data if isinstance(data, bytes) else np.ascontiguousarray(data).data
    digest = hashlib.sha256(content).hexdigest()
    return _Image(image, thumbnail(image.pixels), digest, isinstance(data, bytes))


class _Output:
    """The files that a source is decoded into, and the facts about each image.

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
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for array in (self._images, self._thumbnails):
            array.close(complete=kind is None)

    def add(self, entry: Entry, image: _Image | ImageRejected) -> None:
        """Appends an image, or notes why there is none."""
        if isinstance(image, ImageRejected):
            self.rejected.append((entry.path, image.reason))
            self.unreadable += [entry.path] if image.may_pass else []
            return
        row = len(self.rows)
        first = self._row_of_sha256.setdefault(image.sha256, row)
        if first != row and image.is_file:
            self.rejected.append((entry.path, f"duplicate of {self.rows[first][0]}"))
            return
        size = image.decoded.width, image.decoded.height
        self.rows.append((entry.path, entry.label, entry.part, image.sha256, *size))
        self._write(row, entry.path, image)

    def replace(self, entry: Entry, image: _Image | ImageRejected) -> None:
        """Overwrites an image that was decoded at another bit depth."""
        row = None if isinstance(image, ImageRejected) else self._row_of_sha256.get(image.sha256)
        if row is None or isinstance(image, ImageRejected):
            raise SourceError(f"{entry.path} changed while the images were decoded. Run again.")
        self._write(row, entry.path, image)

    def _write(self, row: int, path: str, image: _Image) -> None:
        self._images.write(row, image.decoded.pixels)
        self._thumbnails.write(row, image.thumbnail)
        (self.constant.add if image.is_constant else self.constant.discard)(path)
        if image.decoded.deeper:
            self.deeper[path] = image.decoded.deeper


class _GrowingArray:
    """Writes a uint8 `.npy` file row by row without knowing the number of rows in advance.

    Rows go through ordinary writes, because pages of a memory map would count as memory of this process.
    """

    def __init__(self, path: Path, row_shape: tuple[int, ...], at_most: int):
        self._row_shape = row_shape
        self._rows = 0
        self._file = path.open("wb")
        self._write_header(at_most)
        self._start = self._file.tell()

    def write(self, row: int, values: np.ndarray) -> None:
        """Writes the next row, or overwrites an earlier one."""
        self._file.seek(self._start + row * values.nbytes)
        self._file.write(np.ascontiguousarray(values).data)
        self._rows = max(self._rows, row + 1)

    def close(self, complete: bool) -> None:
        """Closes the file; a complete one gets its number of rows, for which NumPy leaves room in the header."""
        with self._file:
            if complete:
                self._file.seek(0)
                self._write_header(self._rows)

    def _write_header(self, rows: int) -> None:
        description = {"descr": "|u1", "fortran_order": False, "shape": (rows, *self._row_shape)}
        np.lib.format.write_array_header_1_0(self._file, description)
