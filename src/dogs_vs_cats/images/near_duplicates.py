"""Finds copies of one image that aren't byte-identical: re-encoded, resized or mirrored ones.

A copy in the test split of an image in the training split makes a model look better than it is. Each image gets a
perceptual hash (pHash: the signs of its lowest 63 cosine frequencies, without the mean), and another one of its mirror
image. Images whose hashes, mirrored or not, differ in at most `MAX_DISTANCE` bits are compared as
thumbnails, and are copies if those correlate by `MIN_CORRELATION`. Both limits were measured on Kaggle's photos: copies
of 400 of them, down to JPEG quality 10 or a quarter of the width, differ in at most 5 bits and correlate by 0.995; of
the 12 million pairs among 5,000, mirrored or not, two differ in at most 7 bits, and these are copies indeed. No other
pair with up to 11 bits correlates by more than 0.87.
"""

from collections.abc import Iterator

import numpy as np

from dogs_vs_cats.storage.arrays import row_parts

THUMBNAIL_SIZE = 16
"""Height and width of the thumbnails by which images are compared, in pixels."""

MAX_DISTANCE = 7
"""Hashes of copies differ in at most this many of 63 bits. Four bands of bits find every pair up to this distance: in
one of the four, two such hashes differ in one bit at most."""

MIN_CORRELATION = 0.98
"""Thumbnails of copies correlate at least by this much."""

MIN_CONTRAST = 2.0
"""Standard deviation, of 255, below which an image is too flat to be compared."""

_FREQUENCIES = 8
_BANDS = 4
_BAND_BITS = 16
# Small enough for the arrays of one step to take some tens of megabytes.
_BLOCK = 1 << 14


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Makes the small grey image by which an image is compared.

    Args:
        pixels: uint8 array of shape (height, width, 1 or 3).

    Returns:
        uint8 array of shape (`THUMBNAIL_SIZE`, `THUMBNAIL_SIZE`).
    """
    from dogs_vs_cats.images.decoding.resizing import resize, to_channels

    return resize(to_channels(pixels, 1), THUMBNAIL_SIZE)[..., 0]


def find_groups(thumbnails: np.ndarray) -> np.ndarray:
    """Groups copies of one image.

    Copies of copies belong to the same group. Time grows with the number of images and of similar pairs, not with all
    pairs: 25,000 images take about a second.

    Args:
        thumbnails: uint8 array of shape (n, `THUMBNAIL_SIZE`, `THUMBNAIL_SIZE`), from `thumbnail`.

    Returns:
        int64 array of shape (n,): for each image the number of the first image of its group; its own for an image
        without copies.
    """
    groups = np.arange(len(thumbnails))
    if len(thumbnails) < 2:
        return groups
    blocks = (block.astype(np.float32) for block in row_parts(thumbnails, _BLOCK))
    described = [(_hashes(block), _hashes(block[:, :, ::-1]), block.std((1, 2))) for block in blocks]
    hashes, mirrored_hashes, contrast = map(np.concatenate, zip(*described, strict=True))
    rows = np.flatnonzero(contrast >= MIN_CONTRAST)
    for queries, mirrored in ((hashes, False), (mirrored_hashes, True)):
        for first, second in _candidates(queries[rows], hashes[rows]):
            first, second = rows[first], rows[second]
            apart = groups[first] != groups[second]
            first, second = first[apart], second[apart]
            copies = _correlation(thumbnails, first, second, mirrored) >= MIN_CORRELATION
            if copies.any():
                groups = join(groups, first[copies], second[copies])
    return groups


def _hashes(images: np.ndarray) -> np.ndarray:
    """Returns the perceptual hash of each image, uint64 (n,); images are float32, as large as thumbnails."""
    from scipy.fft import dctn

    waves = dctn(images, axes=(1, 2))[:, :_FREQUENCIES, :_FREQUENCIES].reshape(len(images), -1)
    return np.packbits(waves[:, 1:] > 0, axis=1).view(np.uint64)[:, 0]


def _candidates(queries: np.ndarray, hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields pairs (first, second) of rows whose hashes are close, a part at a time; some more than once."""
    for band in range(_BANDS):
        shift = np.uint64(band * _BAND_BITS)
        mask = np.uint64((1 << _BAND_BITS) - 1)
        keys = (hashes >> shift) & mask
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        wanted = (queries >> shift) & mask
        for flip in (0, *(1 << bit for bit in range(_BAND_BITS))):
            probe = wanted ^ np.uint64(flip)
            begins = np.searchsorted(keys, probe, "left")
            counts = np.searchsorted(keys, probe, "right") - begins
            for first, places in _expand(begins, counts):
                second = order[places]
                close = (first < second) & (np.bitwise_count(queries[first] ^ hashes[second]) <= MAX_DISTANCE)
                if close.any():
                    yield first[close], second[close]


def _expand(begins: np.ndarray, counts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields (row, place) for every place of every row's range, at most about `_BLOCK` at once."""
    rows = np.flatnonzero(counts)
    parts = np.cumsum(counts[rows]) // _BLOCK
    for part in np.split(rows, np.flatnonzero(np.diff(parts)) + 1):
        sizes = counts[part]
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        yield np.repeat(part, sizes), np.repeat(begins[part], sizes) + offsets


def _correlation(thumbnails: np.ndarray, first: np.ndarray, second: np.ndarray, mirrored: bool) -> np.ndarray:
    """Correlates the thumbnails of two rows each, the second one mirrored if asked for."""
    left, right = thumbnails[first], thumbnails[second]
    images = (left, right[:, :, ::-1] if mirrored else right)
    a, b = (image.reshape(-1, THUMBNAIL_SIZE**2).astype(np.float32) for image in images)
    a -= a.mean(axis=1, keepdims=True)
    b -= b.mean(axis=1, keepdims=True)
    correlation: np.ndarray = (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return correlation


def join(groups: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Joins groups of images.

    Args:
        groups: For each image the number of the first image of its group, shape (n,).
        first: Numbers of images, shape (m,).
        second: For each of these, the number of an image in the same group, shape (m,).

    Returns:
        `groups` with the groups of each pair as one, named after its first image.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(groups)
    pairs = coo_array((np.ones(len(first), bool), (groups[first], groups[second])), shape=(count, count))
    _, component = connected_components(pairs, directed=False)
    _, head = np.unique(component, return_index=True)
    merged: np.ndarray = head[component][groups]
    return merged
