"""Images that are arrays already: folders of IDX files (the format of MNIST) and Keras's own datasets."""

import gzip
import logging
import re
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources.base import Entry, Source
from dogs_vs_cats.images.sources.names import natural_key

logger = logging.getLogger(__name__)

# fmt: off
KERAS_CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}
# fmt: on
"""Keras's datasets and the names of their classes, from the Keras documentation; those of MNIST are its digits."""

FASHION_MNIST_SUMS = {"train": 3_431_114_169, "test": 573_469_082}
"""Sums of all pixels of Fashion-MNIST's images, which identify its IDX files whether they are compressed or not.

They follow from the averages that others publish to normalise the images by: 0.2860405969887955 of 255 for the 60,000
training images, 0.28684928071228494 of 255 for the 10,000 test images, of 28×28 pixels each.
"""

_IDX_NAME = re.compile(
    r"(?P<part>train|t10k|test)-(?P<kind>images|labels)[.-]idx(?P<dimensions>[13])-ubyte(?P<gz>\.gz)?", re.IGNORECASE
)
_UNSIGNED_BYTE = 8


class ArraySource(Source):
    """Images that lie in arrays, in the order of the arrays. Paths are `train/0`, `test/17`.

    Args:
        where: The source's name in the log.
        parts: Images, uint8 (n, height, width) or (n, height, width, channels), and their labels, integer (n,), by the
            name of their part: `train`, `test` or both.
        class_names: Names of the classes, by label.
    """

    def __init__(
        self, where: str, parts: Mapping[str, tuple[np.ndarray, np.ndarray]], class_names: Sequence[str]
    ) -> None:
        self._images = {part: images.reshape(*images.shape[:3], -1) for part, (images, _) in parts.items()}
        entries = [
            Entry(f"{part}/{index}", int(label), part if len(parts) > 1 else "", f"{zlib.crc32(image.copy()):08x}")
            for part, (images, labels) in parts.items()
            for index, (image, label) in enumerate(zip(images, labels, strict=True))
        ]
        super().__init__(class_names, entries)
        sizes = ", ".join(f"{part} ({len(labels):,} images)" for part, (_, labels) in parts.items())
        logger.info("Layout of %s: arrays, in the parts %s.", where, sizes)
        self.log_classes(where)

    def read(self, entry: Entry) -> np.ndarray:
        """Returns the pixels, uint8 (height, width, channels)."""
        part, _, index = entry.path.partition("/")
        return np.array(self._images[part][int(index)])


def is_idx_name(path: str) -> bool:
    """Whether a path is named like a file of MNIST, for instance `train-images-idx3-ubyte.gz`."""
    return _IDX_NAME.fullmatch(path.rpartition("/")[2]) is not None


def idx_source(root: Path, paths: Sequence[str]) -> ArraySource:
    """MNIST or a dataset in its format. The classes are named after their numbers; those of Fashion-MNIST have names.

    Args:
        root: The folder.
        paths: Paths of the IDX files in it: `train-images-idx3-ubyte` with `train-labels-idx1-ubyte`, likewise
            `t10k-…`, each plain or `.gz`. Where both are there, the plain one is used.

    Raises:
        SourceError: A file is missing, damaged, or doesn't belong to its partner; there are files of several datasets;
            or there is one class only.
    """
    files: dict[str, dict[str, list[Path]]] = {"train": defaultdict(list), "test": defaultdict(list)}
    for path in sorted(paths, key=natural_key):
        match = _IDX_NAME.fullmatch(path.rpartition("/")[2])
        has_plain = path.endswith(".gz") and path.removesuffix(".gz") in paths
        if match and not has_plain:
            part = "train" if match["part"].lower() == "train" else "test"
            files[part][match["kind"].lower()].append(root / path)
    parts = {}
    for part, found in files.items():
        if len(found) == 1:
            ((alone, *_),) = found.values()
            raise SourceError(f"{alone} has no partner: of images and labels, one file is missing.")
        if found:
            images, labels = _read_equal(found["images"], 3), _read_equal(found["labels"], 1)
            if len(images) != len(labels):
                raise SourceError(
                    f"{found['images'][0]} has {len(images):,} images, but {found['labels'][0]} has {len(labels):,} "
                    "labels."
                )
            parts[part] = images, labels
    numbers = np.unique(np.concatenate([labels for _, labels in parts.values()]))
    if len(numbers) < 2:
        raise SourceError(f"The labels in {root} name {len(numbers)} class; at least two are needed.")
    numbered = {part: (images, np.searchsorted(numbers, labels)) for part, (images, labels) in parts.items()}
    sums = {part: int(images.sum(dtype=np.uint64)) for part, (images, _) in parts.items()}
    if sums.items() <= FASHION_MNIST_SUMS.items() and numbers.tolist() == list(range(10)):
        return ArraySource(str(root), numbered, KERAS_CLASSES["fashion_mnist"])
    return ArraySource(str(root), numbered, [str(number) for number in numbers])


def keras_source(name: str) -> ArraySource:
    """One of Keras's datasets, which Keras downloads to its own cache the first time.

    Args:
        name: `mnist`, `fashion_mnist` or `cifar10`.

    Raises:
        SourceError: The name is unknown, or the dataset can't be fetched.
    """
    if name not in KERAS_CLASSES:
        allowed = ", ".join(f"keras:{known}" for known in KERAS_CLASSES)
        raise SourceError(f"keras:{name} is no dataset this project knows. Allowed are {allowed}.")
    import keras

    try:
        (train_images, train_labels), (test_images, test_labels) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises bare Exceptions
        raise SourceError(
            f"The dataset keras:{name} can't be fetched: {error}. Check the internet connection; or put its files into "
            "Keras's cache (~/.keras/datasets) from another machine; or, for MNIST and Fashion-MNIST, set the source "
            "to a folder with their four IDX files."
        ) from error
    parts = {"train": (train_images, train_labels.ravel()), "test": (test_images, test_labels.ravel())}
    return ArraySource(f"keras:{name}", parts, KERAS_CLASSES[name])


def _read_equal(places: Sequence[Path], dimensions: int) -> np.ndarray:
    """Reads an IDX file of which there may be copies, as in Kaggle's MNIST, but no others of the same name."""
    first, *others = (_read_idx(place, dimensions) for place in places)
    for place, other in zip(places[1:], others, strict=True):
        if not np.array_equal(first, other):
            raise SourceError(
                f"{places[0]} and {place} belong to different datasets. Set ingestion.source to the folder of one."
            )
    return first


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Reads an IDX file of bytes.

    The format is described at the end of Yann LeCun's MNIST page: two zero bytes, the type (8 for unsigned bytes), the
    number of dimensions, each dimension as four bytes (big-endian), then the data.

    Returns:
        uint8, with as many dimensions as asked for.
    """
    magic = bytes((0, 0, _UNSIGNED_BYTE, dimensions))
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            data = file.read()
        if data[:4] != magic:
            raise ValueError(f"it starts with {data[:4].hex() or 'nothing'} instead of {magic.hex()}")
        shape = np.frombuffer(data, ">u4", dimensions, offset=4)
        return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise SourceError(
            f"{path} can't be read as an IDX file: {error}. It may be cut short or damaged: get it again."
        ) from error
