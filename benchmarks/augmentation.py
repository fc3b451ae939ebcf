"""CPU time of augmenting images: Keras's `ImageDataGenerator.flow()` against `RowBatches` with our generator.

Run it with `PYTHONPATH=src python benchmarks/augmentation.py`.
"""

import json
import statistics
import time
from typing import Any

import numpy as np

LECTURE = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
}
IMAGES, SIZE, BATCH_SIZE, ROUNDS = 300, 150, 30, 7


def augmentation() -> dict[str, Any]:
    """Measures both on the same images, with the lecture's settings, taking turns.

    Returns:
        Milliseconds of CPU an image: the median over the rounds of `usual` and `ours`, and of their ratios.
    """
    from dogs_vs_cats.images.augmentation.generator import FastImageDataGenerator, ImageDataGenerator
    from dogs_vs_cats.images.batches import RowBatches

    images = np.random.default_rng(0).integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.arange(IMAGES) % 2
    flow = ImageDataGenerator(**LECTURE).flow(images, labels, batch_size=BATCH_SIZE, seed=0)
    ours = RowBatches(
        images,
        np.arange(IMAGES),
        labels,
        batch_size=BATCH_SIZE,
        shuffle=True,
        augmenter=FastImageDataGenerator(**LECTURE),
    )
    for index in range(len(ours)):
        difference = float(np.abs(next(flow)[0] - ours.batch(0, index)[0]).max())
        if difference > 0.01:
            raise RuntimeError(f"pixels differ by {difference:.4f} of 255: the comparison is worth nothing")
    rounds = []
    for epoch in range(1, ROUNDS + 1):
        begin = time.process_time()
        for _ in range(len(ours)):
            next(flow)
        middle = time.process_time()
        for index in range(len(ours)):
            ours.batch(epoch, index)
        end = time.process_time()
        rounds.append(((middle - begin) * 1000 / IMAGES, (end - middle) * 1000 / IMAGES))
    return {
        "usual": statistics.median(usual for usual, _ in rounds),
        "ours": statistics.median(ours for _, ours in rounds),
        "ratio": statistics.median(usual / ours for usual, ours in rounds),
        "unit": "CPU ms an image",
    }


if __name__ == "__main__":
    print(json.dumps(augmentation(), indent=2))
