"""Real photos and weights to measure with, and what is made of them."""

import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from dogs_vs_cats.training.inputs import LabelledImages, TrainingInputs

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("BENCH_MATERIAL", ROOT.parent / "shared"))

PHOTOS = SHARED / "data" / "kaggle-train-5000.zip"
ORIGINALS = SHARED / "data" / "kaggle-train-original-size-400.zip"
MOBILENET = SHARED / "weights" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"

SIZE = 150


def check() -> None:
    """Ends the process, saying what is missing, where there is nothing to measure with."""
    missing = [path for path in (PHOTOS, ORIGINALS, MOBILENET) if not path.is_file()]
    if missing:
        names = ", ".join(str(path.relative_to(SHARED)) for path in (PHOTOS, ORIGINALS, MOBILENET))
        sys.exit(
            f"make bench measures real photos and weights, and {missing[0]} is not there. Set BENCH_MATERIAL to a "
            f"folder with {names}: parts of Kaggle's train.zip, and MobileNetV2's weights as Keras publishes them."
        )


@cache
def photos(size: int = SIZE, of_each: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Decodes photos, cats and dogs in turn.

    Args:
        size: Height and width, in pixels.
        of_each: The number of cats, and of dogs; 2,000 are the lecture's 3,000 to train and 1,000 to validate.

    Returns:
        The pixels, uint8 (n, size, size, 3), and the labels (dog is 1).
    """
    with zipfile.ZipFile(PHOTOS) as archive:
        cats, dogs = (sorted(n for n in archive.namelist() if f"/{kind}." in n)[:of_each] for kind in ("cat", "dog"))
        files = [archive.read(name) for pair in zip(cats, dogs, strict=True) for name in pair]

    def read(data: bytes) -> np.ndarray:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        assert pixels is not None
        return cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)

    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(read, files))), np.arange(len(files)) % 2


def class_folders(archive: Path, target: Path, numbers: slice = slice(None)) -> int:
    """Writes photos of an archive into a folder for each class.

    Args:
        archive: `PHOTOS` or `ORIGINALS`.
        target: Where the folders `cat` and `dog` are made.
        numbers: Which photos of each class, in the order of their names.

    Returns:
        The number of photos written.
    """
    written = 0
    with zipfile.ZipFile(archive) as photos:
        for kind in ("cat", "dog"):
            (target / kind).mkdir(parents=True)
            names = sorted(name for name in photos.namelist() if Path(name).name.startswith(f"{kind}."))[numbers]
            for name in names:
                (target / kind / Path(name).name).write_bytes(photos.read(name))
            written += len(names)
    return written


def crops(target: Path, count: int) -> None:
    """Writes a zip of so many distinct photos, five crops of each photo, with a folder for each class."""

    def encoded(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        height, width = pixels.shape[:2]
        for number, (top, left) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5))):
            y, x = int(top * height * 0.45), int(left * width * 0.45)
            part = pixels[y : y + int(height * 0.55), x : x + int(width * 0.55)]
            kind = "cat" if "/cat." in name else "dog"
            yield f"{kind}/{Path(name).stem}_{number}.jpg", cv2.imencode(".jpg", part)[1].tobytes()

    with zipfile.ZipFile(PHOTOS) as archive, zipfile.ZipFile(target, "w") as made:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        # Half of each class, whatever the count.
        names = [name for pair in zip(names[: len(names) // 2], names[len(names) // 2 :], strict=True) for name in pair]
        for name in names[: count // 5]:
            for path, data in encoded(name, archive.read(name)):
                made.writestr(path, data)


def lecture_parameters() -> dict[str, Any]:
    """The parameters of `conf/lecture` over those of `conf/base`."""
    from kedro.config import OmegaConfigLoader

    from dogs_vs_cats.settings import CONFIG_LOADER_ARGS

    arguments: dict[str, Any] = CONFIG_LOADER_ARGS
    return OmegaConfigLoader(str(ROOT / "conf"), env="lecture", **arguments)["parameters"]


def random_vgg16(folder: Path) -> Path:
    """Writes random weights of VGG16 without its top, in the form in which Keras publishes trained ones."""
    from dogs_vs_cats.compute.start import start_keras

    start_keras()
    import keras

    file = folder / "vgg16.weights.h5"
    keras.utils.set_random_seed(0)
    keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)).save_weights(file)
    return file


def project_copy(target: Path) -> Path:
    """Copies the project without its data, so that a measured run disturbs none of the user's."""
    target.mkdir(parents=True)
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "local"))
    for name in ("pyproject.toml", "requirements.lock", ".telemetry"):
        shutil.copy(ROOT / name, target)
    (target / "conf" / "local").mkdir()
    return target


def training_inputs(
    data: "LabelledImages",
    approach: str,
    changes: dict[str, Any],
    compute: dict[str, Any] | None = None,
    seed: int = 0,
    transforms: dict[str, Any] | None = None,
) -> "TrainingInputs":
    """How `conf/lecture` trains an approach, with some parameters changed."""
    from dogs_vs_cats.parameters.augmentation import AugmentationParameters
    from dogs_vs_cats.parameters.compute import ComputeParameters
    from dogs_vs_cats.parameters.training import CalibrationParameters
    from dogs_vs_cats.training.inputs import TrainingInputs

    parameters = lecture_parameters()
    return TrainingInputs(
        data,
        approach,
        {**parameters[approach], **changes},
        ComputeParameters.model_validate({**parameters["compute"], **(compute or {})}),
        seed,
        CalibrationParameters(temperature=False),
        AugmentationParameters.model_validate({**parameters["augmentation"], **(transforms or {})}),
    )
