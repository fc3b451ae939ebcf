"""Drawn cats and dogs as a source, so that everything runs without a download."""

from collections.abc import Sequence
from copy import copy
from typing import Self

import numpy as np

from dogs_vs_cats.errors import SplitError
from dogs_vs_cats.images.generated.animals import CAT, DOG, draw
from dogs_vs_cats.images.generated.drawing import Dice
from dogs_vs_cats.images.sources.base import Entry, Source
from dogs_vs_cats.images.splits import SPLITS
from dogs_vs_cats.parameters.ingestion import IngestionParameters

VERSION = 2  # Raise it with every change of pixels, so that caches miss the older drawings.
_STREAM = 1
_ANIMALS = {"cat": CAT, "dog": DOG}


class SampleSource(Source):
    """Drawn cats and dogs: `cat/00000.png`, `cat/00001.png`, … `dog/00000.png` and so on.

    A picture depends on the seed, its path, its size and its channels, but not on how many there are.

    Args:
        count: Number of pictures, half of each class; an odd one is a cat.
        image_size: Height and width, in pixels.
        channels: 3 for RGB, 1 for grey.
        seed: Seed of all pictures, 0 or more.
    """

    def __init__(self, count: int, image_size: int, channels: int, seed: int) -> None:
        self._image_size, self._channels, self._seed = image_size, channels, seed
        token = f"drawing {VERSION}, seed {seed}, {image_size}x{image_size}x{channels}"
        entries = [
            Entry(f"{name}/{number:05d}.png", label, "", token)
            for label, name in enumerate(_ANIMALS)
            for number in range((count + 1 - label) // 2)
        ]
        super().__init__(list(_ANIMALS), entries)

    def read(self, entry: Entry) -> np.ndarray:
        """Draws a picture: uint8 (image_size, image_size, channels), 0..255, the same on every machine."""
        name, number = entry.path.removesuffix(".png").split("/")
        index = 2 * int(number) + list(_ANIMALS).index(name)
        return draw(_ANIMALS[name], Dice(self._seed, _STREAM, index), self._image_size, self._channels)

    def _part(self, entries: Sequence[Entry]) -> Self:
        part = copy(self)  # nothing is drawn yet
        vars(part).update(_entries=list(entries))
        return part


def sample_count(ingestion: IngestionParameters) -> int:
    """Returns the number of pictures to draw: as many as the splits ask for.

    Raises:
        SplitError: A size is a fraction.
    """
    sizes = ingestion.sizes.values()
    if any(isinstance(size, float) for size in sizes):
        raise SplitError(
            "ingestion.source is sample, but sample images need whole numbers in "
            f"{', '.join(f'ingestion.{name}_size' for name in SPLITS)} (given: {', '.join(map(str, sizes))}). To use "
            "your own photos, add --params=ingestion.source=PATH."
        )
    return int(sum(sizes))
