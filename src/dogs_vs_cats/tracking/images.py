"""Descriptions of the images for MLflow: the dataset with its hash, and one image as the model's input example."""

import base64
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from dogs_vs_cats.storage.file_hash import md5
from dogs_vs_cats.tracking import store


def describe_images(path: Path, manifest: pd.DataFrame, source: str) -> dict[str, str]:
    """Describes the images as a dataset of MLflow.

    Args:
        path: The array of all images.
        manifest: The table with the split of each image.
        source: The parameter `ingestion.source`.

    Returns:
        The arguments of MLflow's `Dataset`, without its name.
    """
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    tensor = {"dtype": images.dtype.name, "shape": [-1, *images.shape[1:]]}
    schema = {"features": json.dumps([{"type": "tensor", "tensor-spec": tensor}]), "targets": None}
    shown = path.relative_to(store.root()) if path.is_relative_to(store.root()) else Path(path.name)
    return {
        "digest": md5(path),
        "source_type": "local",
        "source": json.dumps({"uri": shown.as_posix(), "ingested_from": source}),
        "schema": json.dumps({"mlflow_tensorspec": schema}),
        "profile": json.dumps({"images": len(images), **Counter(manifest["split"])}),
    }


def example_image(path: Path) -> str:
    """The first image as base64 text of a PNG file.

    Args:
        path: The array of all images.
    """
    pixels = np.load(path, mmap_mode="r")[0]
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
