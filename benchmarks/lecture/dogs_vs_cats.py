"""The lecture's experiment as its slides have it: plain Keras, photos read from folders in every epoch.

    python benchmarks/lecture/dogs_vs_cats.py PHOTOS.zip [MOBILENET_WEIGHTS.h5]

With weights, MobileNetV2 (alpha 0.35) stands in for VGG16. Prints each approach's validation accuracy.
"""

import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, models
from tensorflow.keras.preprocessing.image import ImageDataGenerator

SIZE, BATCH_SIZE, TRAINING, VALIDATION = 150, 30, 3000, 1000
AUGMENTATION: dict[str, Any] = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
}


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks Kaggle's archive into `train/` and `validation/`, with a folder for each class."""
    with zipfile.ZipFile(archive) as photos:
        photos.extractall(folder / "all")
    for kind in ("cat", "dog"):
        files = sorted((folder / "all").rglob(f"{kind}.*.jpg"))
        for part, chosen in (
            ("train", files[: TRAINING // 2]),
            ("validation", files[TRAINING // 2 : (TRAINING + VALIDATION) // 2]),
        ):
            target = folder / part / kind
            target.mkdir(parents=True)
            for file in chosen:
                shutil.move(file, target / file.name)


def flow(folder: Path, *, augment: bool = False, shuffle: bool = True, class_mode: str = "binary") -> Any:
    """Batches of photos from a folder, scaled to 0..1."""
    generator = ImageDataGenerator(rescale=1.0 / 255, **(AUGMENTATION if augment else {}))
    return generator.flow_from_directory(
        folder, target_size=(SIZE, SIZE), batch_size=BATCH_SIZE, class_mode=class_mode, shuffle=shuffle, seed=0
    )


def naive_cnn(optimizer: Any) -> Any:
    """The network of the slides; an optimizer is not named there."""
    model = models.Sequential(
        [
            layers.Input((SIZE, SIZE, 3)),
            layers.Conv2D(16, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(128, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    return model


def base(weights: str | None) -> Any:
    """VGG16 without its top, or MobileNetV2 from a file of weights."""
    if weights is None:
        return tf.keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    return tf.keras.applications.MobileNetV2(
        alpha=0.35, include_top=False, weights=weights, input_shape=(SIZE, SIZE, 3)
    )


def approach_1(weights: str | None) -> Any:
    """A frozen base with a new head."""
    frozen = base(weights)
    x = layers.GlobalAveragePooling2D()(frozen.output)
    x = layers.Dense(1024, activation="relu")(x)
    model = models.Model(frozen.input, layers.Dense(2, activation="softmax")(x))
    for layer in frozen.layers:
        layer.trainable = False
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def approach_2(features: int) -> Any:
    """The head on bottleneck features."""
    model = models.Sequential(
        [
            layers.Input((features,)),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=tf.keras.optimizers.Adam(1e-4), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def main(archive: Path, weights: str | None) -> dict[str, float]:
    """Trains all three, one after the other, and returns their validation accuracies."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(archive, folder)
        train, validation = folder / "train", folder / "validation"
        best = {}

        model = naive_cnn(tf.keras.optimizers.Nadam(3e-4))
        history = model.fit(flow(train), validation_data=flow(validation, shuffle=False), epochs=2, verbose=2)
        best["naive CNN"] = history.history["val_accuracy"][-1]

        history = approach_1(weights).fit(
            flow(train, augment=True, class_mode="categorical"),
            validation_data=flow(validation, shuffle=False, class_mode="categorical"),
            epochs=2,
            verbose=2,
        )
        best["approach 1"] = history.history["val_accuracy"][-1]

        bottom = base(weights)
        pooled = models.Model(bottom.input, layers.GlobalAveragePooling2D()(bottom.output)) if weights else bottom
        data = {}
        for part in (train, validation):
            batches = flow(part, shuffle=False)
            features = pooled.predict(batches, verbose=2)
            np.save(folder / f"{part.name}.npy", features.reshape(len(features), -1))
            data[part.name] = (np.load(folder / f"{part.name}.npy"), batches.classes)
        history = approach_2(data["train"][0].shape[1]).fit(
            *data["train"], validation_data=data["validation"], epochs=10, batch_size=BATCH_SIZE, verbose=2
        )
        best["approach 2"] = history.history["val_accuracy"][-1]
    for approach, accuracy in best.items():
        print(f"{approach}: validation accuracy {accuracy:.3f}")
    return best


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
