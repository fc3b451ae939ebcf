"""Images that are arrays already: folders of IDX files (the format of MNIST) and Keras's own datasets."""

import gzip
import logging
import math
import re
import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources.base import Entry, Source
from dogs_vs_cats.images.sources.layouts import counted_classes
from dogs_vs_cats.images.sources.names import natural_key

logger = logging.getLogger(__name__)

KERAS_CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "T-shirt",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}
"""Keras's datasets and the names of their classes, from the Keras documentation; those of MNIST are its digits."""

_IDX_NAME = re.compile(
    r"(?P<part>train|t10k|test)-(?P<kind>images|labels)[.-]idx(?P<dimensions>[13])-ubyte(?P<gz>\.gz)?", re.IGNORECASE
)
_UNSIGNED_BYTE = 8


@dataclass(frozen=True)
class Part:
    """Labelled images of one part of a dataset.

    Attributes:
        name: `train` or `test`.
        images: uint8, (n, height, width, channels).
        labels: Class of each image, integer (n,), an index into the class names.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray


class ArraySource(Source):
    """Images that lie in arrays, in the order of the arrays, the training part first. Paths are `train/0`, `test/17`.

    Args:
        parts: The parts, in their order.
        class_names: Names of the classes.
    """

    def __init__(self, parts: Sequence[Part], class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.rejected: list[tuple[str, str]] = []
        self._images = {part.name: part.images for part in parts}
        self._entries = [
            Entry(f"{part.name}/{index}", int(label), part.name if len(parts) > 1 else "", image.nbytes, _token(image))
            for part in parts
            for index, (image, label) in enumerate(zip(part.images, part.labels, strict=True))
        ]

    def read(self, entry: Entry) -> np.ndarray:
        """Returns the pixels, uint8 (height, width, channels)."""
        part, _, index = entry.path.partition("/")
        return np.array(self._images[part][int(index)])


def is_idx_name(path: str) -> bool:
    """Whether a path is named like a file of MNIST, for instance `train-images-idx3-ubyte.gz`."""
    return _IDX_NAME.fullmatch(path.rpartition("/")[2]) is not None


def idx_source(root: Path, paths: Sequence[str]) -> ArraySource:
    """MNIST or a dataset in its format. The classes are named after their numbers.

    Args:
        root: The folder.
        paths: Paths of the IDX files in it: `train-images-idx3-ubyte` with `train-labels-idx1-ubyte`, likewise
            `t10k-…`, each plain or `.gz`. Where both are there, the plain one is used.

    Raises:
        SourceError: A file is missing, damaged, or doesn't belong to its partner; or there is one class only.
    """
    files: dict[tuple[str, str], str] = {}
    for path in sorted(paths, key=lambda path: (not path.endswith(".gz"), natural_key(path))):
        match = _IDX_NAME.fullmatch(path.rpartition("/")[2])
        if match:
            part = "train" if match["part"].lower() == "train" else "test"
            files[part, match["kind"].lower()] = path  # a plain file comes later and wins
    raw: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for part in sorted({part for part, _ in files}, reverse=True):  # train before test
        for kind, other in (("images", "labels"), ("labels", "images")):
            if (part, kind) not in files:
                raise SourceError(f"{root / files[part, other]} has no partner: the file of its {kind} is missing.")
        images_file, labels_file = root / files[part, "images"], root / files[part, "labels"]
        images, labels = _read_idx(images_file, dimensions=3), _read_idx(labels_file, dimensions=1)
        if len(images) != len(labels):
            raise SourceError(
                f"{images_file} has {len(images):,} images, but {labels_file} has {len(labels):,} labels."
            )
        raw[part] = (images[..., np.newaxis], labels)
    numbers = np.unique(np.concatenate([labels for _, labels in raw.values()]))
    if len(numbers) < 2:
        raise SourceError(f"The labels in {root} name {len(numbers)} class; at least two are needed.")
    parts = [Part(name, images, np.searchsorted(numbers, labels)) for name, (images, labels) in raw.items()]
    class_names = [str(number) for number in numbers]
    _report(parts, class_names, "IDX files", str(root))
    return ArraySource(parts, class_names)


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
            f"The dataset keras:{name} can't be fetched: {error}. Check the network; or put its files into Keras's "
            "cache (~/.keras/datasets) from another machine; or, for MNIST and Fashion-MNIST, set the source to a "
            "folder with their four IDX files."
        ) from error
    parts = [
        Part(part, images if images.ndim == 4 else images[..., np.newaxis], labels.reshape(-1))
        for part, images, labels in (("train", train_images, train_labels), ("test", test_images, test_labels))
    ]
    _report(parts, KERAS_CLASSES[name], "arrays", f"keras:{name}")
    return ArraySource(parts, KERAS_CLASSES[name])


def _report(parts: Sequence[Part], class_names: Sequence[str], what: str, where: str) -> None:
    divided = ", ".join(f"{part.name} ({len(part.labels):,} images)" for part in parts)
    logger.info("Layout of %s: %s, in the part%s %s.", where, what, "s" if len(parts) > 1 else "", divided)
    counts = Counter(np.concatenate([part.labels for part in parts]).tolist())
    logger.info("Classes in %s: %s.", where, counted_classes(class_names, counts))


def _token(image: np.ndarray) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(image).data):08x}"


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
            header = file.read(4 + 4 * dimensions)
            if len(header) != 4 + 4 * dimensions or header[:4] != magic:
                raise ValueError(f"it starts with {header[:4].hex() or 'nothing'} instead of {magic.hex()}")
            shape = struct.unpack_from(f">{dimensions}I", header, 4)
            # One byte more than the header promises is enough to know that it lies.
            data = file.read(math.prod(shape) + 1)
        if len(data) != math.prod(shape) or not data:
            promised = " x ".join(str(length) for length in shape)
            raise ValueError(f"its header promises {promised} bytes of data, and it has fewer, more or none")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise SourceError(
            f"{path} can't be read as an IDX file: {error}. It may be cut short or damaged: get it again."
        ) from error
    return np.frombuffer(data, np.uint8).reshape(shape)
