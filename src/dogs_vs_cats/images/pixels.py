"""The pixels of a source's images: of one, or of many in batches."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from dogs_vs_cats.compute.parallel import in_order
from dogs_vs_cats.images import decoding
from dogs_vs_cats.images.decoding import DecodedImage, ImageRejected
from dogs_vs_cats.images.sources import Entry, ImageReadError, Source
from dogs_vs_cats.parameters.ingestion import DecodingOptions

Item = TypeVar("Item")

_CHUNK_ENTRIES = 16


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
        raise ImageRejected(str(error), may_pass=True) from error
    return data, decoding.decode(data, image_size=image_size, channels=channels, **options)


def read_batches(
    read: Callable[[Item], DecodedImage], items: Sequence[Item], blank: np.ndarray, size: int
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Decodes images on all cores; few of them are in memory at once.

    Args:
        read: Decodes one of them, and raises `ImageRejected` if it can't be used.
        items: Its arguments.
        blank: uint8 (height, width, channels), the pixels of an image that can't be used.
        size: Images in a batch; the last one may have fewer.

    Yields:
        For each image of a batch why it can't be used, or ""; and their pixels, uint8 (m, height, width, channels).
    """

    def reason_and_pixels(item: Item) -> tuple[str, np.ndarray]:
        try:
            return "", read(item).pixels
        except ImageRejected as error:
            return error.reason, blank

    images = (image for _, image in in_order(reason_and_pixels, items, _CHUNK_ENTRIES))
    while batch := list(islice(images, size)):
        yield [reason for reason, _ in batch], np.stack([pixels for _, pixels in batch])
