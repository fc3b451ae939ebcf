"""VGG16's features, kept features, and an epoch of approach 2 against one of approach 1.

256 images stand for all of them; weights are random, which costs as much time as trained ones.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from lecture.dogs_vs_cats import AUGMENTATION, BATCH_SIZE, TRAINING, approach_1
from lecture.dogs_vs_cats import base as lecture_base
from material import lecture_parameters, photos, random_vgg16
from result import Result

IMAGES, ROUNDS = 256, 3


def extraction() -> dict[str, Result]:
    """Measures `vgg16_extraction`, against `predict` in float32, and `extraction_cached`, when all is kept already."""
    import pandas as pd

    from dogs_vs_cats.backbones import pretrained
    from dogs_vs_cats.parameters.backbone import BackboneParameters
    from dogs_vs_cats.parameters.compute import ComputeParameters
    from dogs_vs_cats.pipelines.feature_extraction.nodes import extract_features, pooled
    from dogs_vs_cats.prediction import predictor, row_batches

    parameters = lecture_parameters()
    compute = ComputeParameters.model_validate(parameters["compute"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = random_vgg16(folder)
        settings = {**parameters["backbone"], "weights": str(weights)}
        backbone = pretrained(BackboneParameters.model_validate(settings), 150, 3)
        images = photos()[0][:IMAGES]
        rows = np.arange(IMAGES)
        lecture = lecture_base(None)
        scaled = images.astype(np.float32) / 255
        run = predictor(pooled(backbone, "flatten"), compute)
        manifest = pd.DataFrame({"split": ["train"] * IMAGES})

        def usual() -> None:
            lecture.predict(scaled, batch_size=32, verbose=0)

        def ours() -> None:
            for batch in row_batches(images, rows):
                run(batch)

        def again() -> None:
            extract_features(
                backbone, {"identity": "vgg16"}, images, manifest, {"identity": "photos"}, "flatten", compute, folder
            )

        seconds: list[list[float]] = []
        for _ in range(ROUNDS + 1):
            seconds.append([])
            for work in (usual, ours, again):
                begin = time.perf_counter()
                work()
                seconds[-1].append(time.perf_counter() - begin)
    usual_s, ours_s, again_s = zip(*seconds[1:], strict=True)
    return {
        "vgg16_extraction": {
            "usual": IMAGES / statistics.median(usual_s),
            "ours": IMAGES / statistics.median(ours_s),
            "ratio": statistics.median(u / o for u, o in zip(usual_s, ours_s, strict=True)),
            "unit": "images/s",
        },
        "extraction_cached": {
            "usual": statistics.median(usual_s),
            "ours": statistics.median(again_s),
            "ratio": statistics.median(u / a for u, a in zip(usual_s, again_s, strict=True)),
            "unit": f"s for {IMAGES} images",
        },
    }


def approach2_epoch() -> Result:
    """An epoch of the head on flattened features against one of approach 1 in float32, the lecture's way."""
    import pandas as pd
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    from dogs_vs_cats.backbones import pretrained
    from dogs_vs_cats.parameters.backbone import BackboneParameters
    from dogs_vs_cats.parameters.compute import ComputeParameters
    from dogs_vs_cats.pipelines.approach.nodes import train_on_features

    parameters = lecture_parameters()
    images, labels = photos()
    onehot = np.eye(2)[labels[:IMAGES]]
    model = approach_1(None)
    batches = ImageDataGenerator(rescale=1.0 / 255, **AUGMENTATION).flow(
        images[:IMAGES], onehot, batch_size=BATCH_SIZE, seed=0
    )
    features = np.random.default_rng(0).random((len(images), 8192), dtype=np.float32)
    splits = np.where(np.arange(len(images)) < TRAINING, "train", "validation")
    manifest = pd.DataFrame({"path": splits, "label": labels, "split": splits})
    pairs = []
    with tempfile.TemporaryDirectory() as name:
        settings = {**parameters["backbone"], "weights": str(random_vgg16(Path(name)))}
        backbone = pretrained(BackboneParameters.model_validate(settings), 150, 3)
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            model.fit(batches, epochs=1, verbose=0)
            usual = (time.perf_counter() - begin) * TRAINING / IMAGES
            *_, timings, _ = train_on_features(
                "transfer_bottleneck",
                {**parameters["transfer_bottleneck"], "epochs": 3},
                ComputeParameters.model_validate(parameters["compute"]),
                0,
                features,
                {"pooling": "flatten", "base_weights": ""},
                images,
                manifest,
                ["cat", "dog"],
                {"identity": "photos"},
                Path(name),
                backbone,
                {"identity": "vgg16", "name": "VGG16", "made_with": {"preprocessing": "own"}},
            )
            pairs.append((usual, timings["seconds_per_epoch"]))
    # The first round compiles.
    pairs = pairs[1:]
    return {
        "usual": statistics.median(usual for usual, _ in pairs),
        "ours": statistics.median(ours for _, ours in pairs),
        "ratio": statistics.median(usual / ours for usual, ours in pairs),
        "unit": "s an epoch of 3,000 images",
        "note": "approach 1 with VGG16 on 256 images, scaled; the lecture's own ratio is 45",
    }
