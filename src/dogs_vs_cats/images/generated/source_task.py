"""The source task of the project's own small base: drawn animals, without cats and dogs."""

import numpy as np

from dogs_vs_cats.images.generated.animals import Lengths, Species, draw
from dogs_vs_cats.images.generated.drawing import Dice

SPECIES = {
    "bear": Species({"round": 1}, Lengths(ears=0.55, muzzle=0.65, nose=0.22, eyes=0.14), whiskers=0.0),
    "fox": Species({"pricked": 1}, Lengths(jaw=0.45, muzzle=0.7, muzzle_width=0.36), slit_pupils=0.9, whiskers=0.6),
    "goat": Species({"hanging": 1}, Lengths(head=0.8, ear_width=0.36, muzzle=0.75, nose=0.1), whiskers=0.0),
    "hare": Species({"pricked": 1}, Lengths(ears=1.4, ear_width=0.4, muzzle=0.25, nose=0.1), whiskers=0.8),
    "koala": Species({"round": 1}, Lengths(ears=0.9, ear_width=1.0, muzzle=0.3, nose=0.34, eyes=0.15), whiskers=0.0),
    "mouse": Species({"round": 1}, Lengths(jaw=0.45, ears=0.9, ear_width=1.0, nose=0.1), whiskers=1.0),
    "otter": Species({"folded": 1}, Lengths(head=1.12, jaw=0.85, muzzle=0.3, muzzle_width=0.62), whiskers=1.0),
    "pig": Species({"half": 1}, Lengths(nose=0.34, eyes=0.14), noses={"pink": 1}, whiskers=0.0),
}

_STREAM = 2


def source_task_images(count: int, image_size: int, channels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws the source task: the same pictures on every machine, and the first of them whatever the count.

    Args:
        count: Number of pictures; the classes take turns, so they are as even as the count allows.
        image_size: Height and width, in pixels.
        channels: 3 for RGB, 1 for grey.
        seed: Seed of the whole set.

    Returns:
        Images, uint8 (count, image_size, image_size, channels), and labels, int64 (count,): indices into `SPECIES`.
    """
    labels, species = np.arange(count) % len(SPECIES), list(SPECIES.values())
    pairs = ((species[label], Dice(seed, _STREAM, index)) for index, label in enumerate(labels))
    return np.stack([draw(one, dice, image_size, channels) for one, dice in pairs]), labels
