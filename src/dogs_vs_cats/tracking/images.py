"""Descriptions of the images for MLflow: the dataset with its hash, and one image as the model's input example."""

import base64
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from dogs_vs_cats.tracking import store


def describe_images(path: Path, md5: str, manifest: Path | None, experiment: str, source: str) -> dict[str, str]:
    """Describes the images as a dataset of MLflow.

    Args:
        path: The array of all images.
        md5: Its hash.
        manifest: The table with the split of each image, if there is one.
        experiment: The experiment.
        source: The parameter `ingestion.source`.

    Returns:
        The arguments of MLflow's `Dataset`.
    """
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    splits = Counter(pd.read_csv(manifest, keep_default_na=False)["split"] if manifest else ())
    tensor = {"dtype": images.dtype.name, "shape": [-1, *images.shape[1:]]}
    schema = {"features": json.dumps([{"type": "tensor", "tensor-spec": tensor}]), "targets": None}
    return {
        "name": f"images of {experiment}",
        "digest": md5,
        "source_type": "local",
        "source": json.dumps({"uri": store.relative(path), "ingested_from": source}),
        "schema": json.dumps({"mlflow_tensorspec": schema}),
        "profile": json.dumps({"images": len(images), **splits}),
    }


def example_image(path: Path | None, model_info: dict[str, Any]) -> str:
    """The first image, or a black one without images, as base64 text of a PNG file.

    Args:
        path: The array of all images, if there is one.
        model_info: The model's information, with the size and channels of its images.
    """
    size, channels = model_info["image_size"], model_info["channels"]
    pixels = np.load(path, mmap_mode="r")[0] if path else np.zeros((size, size, channels), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels if channels == 3 else pixels[..., 0])).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
