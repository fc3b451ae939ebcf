"""Decodes a source on all cores or a cluster, in order and in bounded memory; an unchanged source is decoded once."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dogs_vs_cats.compute import cluster
from dogs_vs_cats.compute.parallel import in_order
from dogs_vs_cats.errors import ProjectError, SourceError
from dogs_vs_cats.images import decoding
from dogs_vs_cats.images.decoding import DecodedImage, ImageRejected
from dogs_vs_cats.images.decoding.resizing import without_bars
from dogs_vs_cats.images.decoding.sixteen_bit import BIT_DEPTHS, needed_bits
from dogs_vs_cats.images.near_duplicates import THUMBNAIL_SIZE, thumbnail
from dogs_vs_cats.images.opening import open_for_training
from dogs_vs_cats.images.pixels import read_image
from dogs_vs_cats.images.sources import Entry, Source, fingerprint
from dogs_vs_cats.parameters.ingestion import Fit, IngestionParameters
from dogs_vs_cats.progress import track
from dogs_vs_cats.storage.arrays import map_array, save_array, write_header
from dogs_vs_cats.storage.content_store import ContentStore

logger = logging.getLogger(__name__)

LAYOUT = 6
"""Version of the files that `write_decoded` writes: raise it with every change, so that older files aren't loaded."""

DECODED_WITH = {"image_size", "channels", "max_pixels", "min_side", "max_bytes", "bit_depth", "fit"}
"""Parameters that the decoded images and the rejects depend on."""

_CHUNK_ENTRIES = 32
_CHUNK_BYTES = 4 * 1024**2
_PART_ENTRIES = 64

# Up to this fraction of all values may be outliers, which say nothing about the depth of a source.
_OUTLIERS = 0.001

_OF_ANOTHER_CLASS = ", which has another class"

_COLUMNS = ["path", "label", "part", "sha256", "width", "height"]


@dataclass(frozen=True, slots=True)
class DecodedSource:
    """All usable images of a source.

    Attributes:
        images: uint8 memory map of shape (n, image_size, image_size, channels).
        thumbnails: uint8 memory map of shape (n, side, side), see `near_duplicates.thumbnail`.
        usable: A row for each of `images`: path, label, part, sha256, width, height.
        rejected: path and reason of everything else.
        class_names: Names of the classes, by label.
        bit_depth: Bits that the 16-bit images use; None where there are none.
        unreadable: Paths of those rejected that couldn't be read; another attempt may succeed.
        groups: Group of each image that `ingestion.group` gives one, by its path.
    """

    images: np.ndarray
    thumbnails: np.ndarray
    usable: pd.DataFrame
    rejected: pd.DataFrame
    class_names: list[str]
    bit_depth: int | None
    unreadable: list[str]
    groups: dict[str, str]

    @property
    def contradictory(self) -> list[str]:
        """Paths of the rejected images that are byte-identical to one of another class."""
        return self.rejected.loc[self.rejected["reason"].str.endswith(_OF_ANOTHER_CLASS), "path"].tolist()

    def constant(self, fit: Fit) -> list[str]:
        """Paths of the images that have one colour all over, apart from bars; the thumbnail rules out most others."""
        flat = np.flatnonzero(np.ptp(self.thumbnails, axis=(1, 2)) == 0)
        height, width = self.usable["height"], self.usable["width"]
        shown = ((row, without_bars(self.images[row], height[row], width[row], fit)) for row in flat)
        return [self.usable["path"][row] for row, pixels in shown if not np.ptp(pixels, axis=(0, 1)).any()]


def decoded_source(ingestion: IngestionParameters, seed: int, store_folder: Path) -> DecodedSource:
    """Opens the decoded images of a source, and decodes the source first unless an earlier run has done so.

    Args:
        ingestion: The source, and how to decode it.
        seed: Seed of the sample images.
        store_folder: Folder of the decoded sources.

    Raises:
        SourceError: The source can't be opened.
        SplitError: The number of sample images to draw is given as a fraction.
        ProjectError: The decoded images can't be written.
    """
    try:
        store = ContentStore(store_folder)
        with open_for_training(ingestion, seed) as source:
            key = cache_key(source, ingestion)
            with store.in_use():
                earlier = store.find(key)
                decoded = _load_earlier(earlier, source.groups) if earlier else None
                if decoded is not None and not _can_be_read_now(source, decoded, ingestion):
                    logger.info("All %d images are decoded already", len(decoded.images))
                    return decoded
                with store.create(key) as folder:
                    write_decoded(source, ingestion, folder)
                decoded = load_decoded(store_folder / folder.name, source.groups)
        if earlier is not None:
            store.remove(earlier)
        return decoded
    except OSError as error:
        raise ProjectError(
            f"Decoded images can't be stored in {store_folder}: {error.strerror or error}. "
            "Free space or make the folder writable, and run again."
        ) from error


def cache_key(source: Source, ingestion: IngestionParameters) -> str:
    """The key of a source's decoded images in their cache; it stands for all that they depend on."""
    made_of = [fingerprint(source), ingestion.record(DECODED_WITH), decoding.VERSION, LAYOUT]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:32]


def write_decoded(source: Source, ingestion: IngestionParameters, folder: Path) -> None:
    """Decodes every image of a source into a folder, which `load_decoded` opens.

    Of byte-identical files only the first one is used. A published dataset of arrays stays complete, duplicates
    included (Fashion-MNIST has some), because others report on its official parts as they are. No more than a few
    megabytes of images are in memory at once. The 16-bit images of a source are decoded a second time if they turn out
    to use fewer bits.

    Args:
        source: An open source.
        ingestion: Uses `image_size`, `channels` and the decoder's options.
        folder: An empty folder.

    Raises:
        SourceError: A 16-bit image can't be read a second time.
    """
    bit_depth = ingestion.decoding()["bit_depth"]
    table, thumbnails, deep = _write_images(source, ingestion, bit_depth or BIT_DEPTHS[-1], folder / "images.npy")
    if deep and bit_depth is None:
        bit_depth = _find_bit_depth(list(deep.values()), len(thumbnails))
        images = np.load(folder / "images.npy", mmap_mode="r+")
        items = list(deep) if bit_depth < BIT_DEPTHS[-1] else []
        for (row, entry), image in _prepared(source, ingestion, bit_depth, items):
            if isinstance(image, ImageRejected):
                raise SourceError(f"{entry.path} can't be read a second time: {image.reason}. Run again.")
            images[row], thumbnails[row] = image.decoded.pixels, image.thumbnail.copy()
    stacked = np.array(thumbnails, np.uint8).reshape(-1, THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    save_array(folder / "thumbnails.npy", stacked)
    table |= {"class_names": source.class_names, "bit_depth": bit_depth if deep else None}
    (folder / "table.json").write_text(json.dumps(table), encoding="utf-8")


def load_decoded(folder: Path, groups: dict[str, str]) -> DecodedSource:
    """Opens what `write_decoded` has written; `groups` as in `DecodedSource`."""
    table = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    return DecodedSource(
        images=map_array(folder / "images.npy"),
        thumbnails=map_array(folder / "thumbnails.npy"),
        usable=pd.DataFrame(table.pop("usable"), columns=_COLUMNS),
        rejected=pd.DataFrame(table.pop("rejected"), columns=["path", "reason"]),
        groups=groups,
        **table,
    )


def _load_earlier(folder: Path, groups: dict[str, str]) -> DecodedSource | None:
    """Opens the images that an earlier run has decoded, unless they are damaged."""
    try:
        return load_decoded(folder, groups)
    except (OSError, ValueError):
        logger.warning("The decoded images in %s are damaged, so they are decoded again", folder)
        return None


def _can_be_read_now(source: Source, decoded: DecodedSource, ingestion: IngestionParameters) -> bool:
    """Tries the unreadable files of a decoded source again; one that is readable now has all decoded again."""
    again = [entry for entry in source.entries() if entry.path in decoded.unreadable]
    source.prefetch(again)
    images = (_prepare(source, entry, ingestion, decoded.bit_depth or BIT_DEPTHS[-1]) for entry in again)
    return not all(isinstance(image, ImageRejected) and image.may_pass for image in images)


class _Image(NamedTuple):
    decoded: DecodedImage
    thumbnail: np.ndarray
    sha256: str
    is_file: bool


def _prepare(source: Source, entry: Entry, ingestion: IngestionParameters, bit_depth: int) -> _Image | ImageRejected:
    options = ingestion.decoding(bit_depth)
    try:
        data, image = read_image(source, entry, ingestion.image_size, ingestion.channels, options)
    except ImageRejected as error:
        return error
    content = data if isinstance(data, bytes) else data.tobytes()
    # Equal bars would make different photos look alike.
    shown = without_bars(image.pixels, image.height, image.width, ingestion.fit)
    return _Image(image, thumbnail(shown), hashlib.sha256(content).hexdigest(), isinstance(data, bytes))


def _prepared(
    source: Source, ingestion: IngestionParameters, bit_depth: int, items: Sequence[tuple[int, Entry]]
) -> Iterator[tuple[tuple[int, Entry], _Image | ImageRejected]]:
    """Reads and decodes numbered entries on all cores, or on a cluster."""
    entries = [entry for _, entry in items]
    if cluster.connected():
        decoded = cluster.in_order(
            partial(_part_decoder, ingestion, bit_depth), source.parts(entries, _PART_ENTRIES), "decode images"
        )
        images: Iterator[_Image | ImageRejected] = chain.from_iterable(decoded)
    else:
        images = _decoded(source, entries, ingestion, bit_depth)
    return track(zip(items, images, strict=True), "Decoding", len(items))


def _part_decoder(ingestion: IngestionParameters, bit_depth: int) -> "Callable[[Source], list[_Image | ImageRejected]]":
    def decode(part: Source) -> list[_Image | ImageRejected]:
        with part:
            return list(_decoded(part, part.entries(), ingestion, bit_depth))

    return decode


def _decoded(
    source: Source, entries: Sequence[Entry], ingestion: IngestionParameters, bit_depth: int
) -> Iterator[_Image | ImageRejected]:
    source.prefetch(entries)
    chunk = max(1, min(_CHUNK_ENTRIES, _CHUNK_BYTES // (ingestion.image_size**2 * ingestion.channels)))
    for _, image in in_order(lambda entry: _prepare(source, entry, ingestion, bit_depth), entries, chunk):
        yield image


def _write_images(
    source: Source, ingestion: IngestionParameters, bit_depth: int, path: Path
) -> tuple[dict[str, Any], list[np.ndarray], dict[tuple[int, Entry], tuple[float, ...]]]:
    """Writes the images to a `.npy` file.

    Rows go through ordinary writes, because pages of a memory map would count as memory of this process.

    Returns:
        The rows of `usable` and `rejected`, and `unreadable`, as in `DecodedSource`; the thumbnails; and
        `DecodedImage.deeper` of the images with 16 bits a sample, by their row and entry.
    """
    usable: list[tuple[str, int, str, str, int, int]] = []
    rejected, unreadable, thumbnails = list(source.rejected), [], []
    deep: dict[tuple[int, Entry], tuple[float, ...]] = {}
    first_of: dict[str, Entry] = {}
    row = ingestion.image_size, ingestion.image_size, ingestion.channels
    with path.open("wb") as file:
        write_header(file, np.dtype(np.uint8), (0, *row))
        for (_, entry), image in _prepared(source, ingestion, bit_depth, list(enumerate(source.entries()))):
            if isinstance(image, ImageRejected):
                rejected.append((entry.path, image.reason))
                unreadable += [entry.path] if image.may_pass else []
                continue
            first = first_of.setdefault(image.sha256, entry)
            if first is not entry and image.is_file:
                another = _OF_ANOTHER_CLASS if first.label != entry.label else ""
                rejected.append((entry.path, f"duplicate of {first.path}{another}"))
                continue
            if image.decoded.deeper:
                deep[len(usable), entry] = image.decoded.deeper
            size = image.decoded.width, image.decoded.height
            usable.append((entry.path, entry.label, entry.part, image.sha256, *size))
            file.write(image.decoded.pixels.tobytes())
            thumbnails.append(image.thumbnail.copy())  # a view would keep more than itself in memory
        file.seek(0)
        write_header(file, np.dtype(np.uint8), (len(usable), *row))
    return {"usable": usable, "rejected": rejected, "unreadable": unreadable}, thumbnails, deep


def _find_bit_depth(deeper: list[tuple[float, ...]], images: int) -> int:
    """Finds and logs how many bits the 16-bit images of a source use; `deeper` as in `DecodedImage`."""
    fractions = np.array(deeper)
    bit_depth = max(map(needed_bits, deeper))
    logger.info(
        "%d of %d images have 16 bits a sample and use %d of them, so that white is %d. If it isn't, set "
        "ingestion.bit_depth",
        len(deeper),
        images,
        bit_depth,
        2**bit_depth - 1,
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
