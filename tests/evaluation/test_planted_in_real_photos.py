"""Errors that are planted in real photos: how many of them are found, and how many others are listed."""

import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dogs_vs_cats.evaluation import copies, image_quality
from dogs_vs_cats.evaluation.label_errors import LabelErrors
from dogs_vs_cats.evaluation.label_issues import list_issues
from dogs_vs_cats.parameters.backbone import BackboneParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.pipelines.backbone.nodes import make_backbone
from dogs_vs_cats.pipelines.data_quality import nodes
from dogs_vs_cats.pipelines.feature_extraction.nodes import extract_features
from tests.evaluation.planted import CLASSES
from tests.parameters.test_parameters import parameters as environment_parameters
from tests.pipelines.test_data_ingestion import ingest
from tests.training.test_training import COMPUTE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FLIPPED, COPIED = 1 / 20, 1 / 50
"""Fractions of the photos."""

COPIES = "copies"


class Base(NamedTuple):
    """A base, and the bounds that hold with its features.

    Attributes:
        parameters: Its name and arguments.
        weights: Its file.
        size: Height and width of its images, in pixels.
        photos: Number of photos.
        precision: Least fraction of flips in as many rows as there are flips.
        recall: Least fraction of all flips in twice as many rows.
    """

    parameters: dict[str, Any]
    weights: str
    size: int
    photos: int
    precision: float
    recall: float


BASES = [
    Base({}, "efficientnet_lite2_260.keras", 260, 1500, 0.93, 0.98),
    Base(
        {"name": "MobileNetV2", "kwargs": {"alpha": 0.35}},
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
        160,
        5000,
        0.75,
        0.90,
    ),
]


class Placed(NamedTuple):
    """Photos, and copies of some under the other label, by their features.

    Attributes:
        base: The base that the features are of.
        points: A row for each photo.
        photos: The photos with their measures.
        is_copy: Which of them are copies, shape (n,).
    """

    base: Base
    points: np.ndarray
    photos: pd.DataFrame
    is_copy: np.ndarray


def write_photos(archive: Path, folder: Path, count: int) -> None:
    """Writes some photos into a folder for each class, and smaller copies of a few into that of the other one."""
    with zipfile.ZipFile(archive) as file:
        all_names = sorted(name for name in file.namelist() if name.endswith(".jpg"))
        names = np.random.default_rng(2).choice(all_names, count, replace=False).tolist()
        copied = set(names[: int(COPIED * count)])
        for kind in CLASSES:
            (folder / kind).mkdir(parents=True)
        for name in names:
            kind, data = Path(name).name.split(".")[0], file.read(name)
            (folder / kind / Path(name).name).write_bytes(data)
            if name in copied:
                other = folder / CLASSES[1 - CLASSES.index(kind)] / f"{COPIES} {Path(name).name}"
                photo = Image.open(io.BytesIO(data))
                photo.resize((photo.width * 3 // 4, photo.height * 3 // 4)).save(other, quality=60)


@pytest.fixture(scope="module", params=BASES, ids=["EfficientNet-Lite2", "MobileNetV2"])
def placed(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Placed:
    base: Base = request.param
    source = tmp_path_factory.mktemp("source")
    write_photos(shared / "data/kaggle-train-5000.zip", source, base.photos)
    values = environment_parameters("photos")
    weights = {"weights": str(shared / "weights" / base.weights)}
    backbone = BackboneParameters.model_validate(values["backbone"] | base.parameters | weights)
    of_photos = {"source": str(source), "image_size": base.size}
    ingestion = IngestionParameters.model_validate(values["ingestion"] | of_photos)
    folder = tmp_path_factory.mktemp("placed")

    made = ingest(ingestion, folder)
    manifest, record = made["manifest"], made["ingestion_record"]
    model, backbone_record = make_backbone(backbone, base.size, 3, COMPUTE, 0)
    features, _ = extract_features(
        model, backbone_record, made["images"], manifest, record, "avg", COMPUTE, folder / "features"
    )
    described = nodes.describe_photos(made["images"], manifest, record)
    points, photos = nodes.place_photos(features, backbone_record, described, 0)
    is_copy = photos["path"].str.contains(COPIES).to_numpy()
    assert (~is_copy).sum() == base.photos
    assert is_copy.sum() == COPIED * base.photos
    return Placed(base, points, photos, is_copy)


def judge_and_list(points: np.ndarray, photos: pd.DataFrame) -> tuple[LabelErrors, pd.DataFrame]:
    probability, judged, _ = nodes.judge_labels(points, photos, 0)
    found = copies.compare(photos, probability)
    return judged, list_issues(photos, photos, judged, found, image_quality.find_junk(photos), CLASSES)


def test_flipped_labels_are_listed_first_and_their_number_is_estimated(placed: Placed) -> None:
    original = ~placed.is_copy
    photos = placed.photos[original]
    count = int(FLIPPED * placed.base.photos)
    flipped = np.random.default_rng(1).choice(photos.index, count, replace=False)
    photos = photos.assign(label=photos["label"].where(~photos.index.isin(flipped), 1 - photos["label"]))

    judged, issues = judge_and_list(placed.points[original], photos)

    is_flip = issues.index.isin(flipped)
    assert is_flip[:count].mean() >= placed.base.precision
    assert is_flip[: 2 * count].sum() / count >= placed.base.recall
    assert 0.04 <= judged.rate <= 0.07


def test_copies_under_another_label_are_all_found_and_listed_before_anything_else(placed: Placed) -> None:
    _, issues = judge_and_list(placed.points, placed.photos)

    count = placed.is_copy.sum()
    first = issues[:count]
    assert set(first["kind"]) == {"contradiction"}
    assert "contradiction" not in set(issues["kind"][count:])
    copied = placed.photos.loc[placed.is_copy, "copies"]
    assert set(placed.photos.loc[first.index, "copies"]) == set(copied)
    assert copied.nunique() == count
