"""Photos of two classes, in which tests plant errors."""

import numpy as np
import pandas as pd

CLASSES = ["cat", "dog"]


def two_classes(count: int = 400, apart: float = 4.0) -> tuple[np.ndarray, pd.DataFrame]:
    """Points of two classes, and a table of their photos."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 2
    points = random.normal(size=(count, 8)).astype(np.float32)
    points[:, 0] += np.float32(apart) * labels
    paths = [f"{number}.jpg" for number in range(count)]
    groups = np.arange(count)
    table = {"path": paths, "label": labels, "split": "train", "group": groups, "copies": groups}
    return points, pd.DataFrame(table)


def with_ordinary_measures(photos: pd.DataFrame) -> pd.DataFrame:
    """Photos with ordinary measures, which differ a little."""
    random = np.random.default_rng(2)
    usual = {"brightness": 120.0, "contrast": 50.0, "sharpness": 0.2, "short_side": 300.0, "elongation": 1.3}
    columns = {name: value * random.uniform(0.9, 1.1, len(photos)) for name, value in usual.items()}
    return photos.assign(**columns, distance=random.uniform(0.9, 1.1, len(photos)))
