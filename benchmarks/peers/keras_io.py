"""keras.io's way today: `image_dataset_from_directory`, augmentation layers in the pipeline, `fit`; float32.

The layers shift, rotate and zoom as the lecture's settings say; its shear of 0.2 degrees is left out.
"""

import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from side import BATCH_SIZE, SIZE, Figures, Task, main, median_seconds

AUGMENTATION = keras.Sequential(
    [
        layers.RandomRotation(40 / 360, fill_mode="nearest"),
        layers.RandomTranslation(0.2, 0.2, fill_mode="nearest"),
        layers.RandomZoom(0.2, 0.2, fill_mode="nearest"),
    ]
)


def dataset(folder: Path, *, augment: bool = False, shuffle: bool = True) -> Any:
    """Batches of photos from a folder, 0..255, and their labels."""
    batches = keras.utils.image_dataset_from_directory(
        folder,
        label_mode="binary",
        image_size=(SIZE, SIZE),
        batch_size=BATCH_SIZE,
        shuffle=shuffle,
        seed=0,
        verbose=False,
    )
    if augment:
        batches = batches.map(
            lambda images, labels: (AUGMENTATION(images, training=True), labels), num_parallel_calls=tf.data.AUTOTUNE
        )
    return batches.prefetch(tf.data.AUTOTUNE)


def naive_cnn() -> keras.Model:
    """The lecture's network."""
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Rescaling(1 / 255),
            *(
                layer
                for filters in (16, 64, 128)
                for layer in (layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D())
            ),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    return compiled(model, keras.optimizers.Nadam(3e-4))


def approach_1(task: Task) -> keras.Model:
    """A frozen base with a new head."""
    base = mobilenet(task)
    base.trainable = False
    inputs = keras.Input((SIZE, SIZE, 3))
    features = base(keras.applications.mobilenet_v2.preprocess_input(inputs), training=False)
    hidden = layers.Dense(1024, activation="relu")(layers.GlobalAveragePooling2D()(features))
    outputs = layers.Dense(1, activation="sigmoid")(hidden)
    return compiled(keras.Model(inputs, outputs), keras.optimizers.Adam())


def approach_2(features: int) -> keras.Model:
    """The head on bottleneck features."""
    hidden = [layers.Dense(512, activation="relu"), layers.Dropout(0.3)]
    hidden += [layers.Dense(512, activation="relu"), layers.Dropout(0.3)]
    model = keras.Sequential([keras.Input((features,)), *hidden, layers.Dense(1, activation="sigmoid")])
    return compiled(model, keras.optimizers.Adam(1e-4))


def mobilenet(task: Task) -> keras.Model:
    """The base."""
    return keras.applications.MobileNetV2(
        alpha=0.35, include_top=False, weights=task.weights, input_shape=(SIZE, SIZE, 3)
    )


def compiled(model: keras.Model, optimizer: keras.Optimizer) -> keras.Model:
    """The model, ready to be trained."""
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return model


def fitted(model: keras.Model, task: Task, *, augment: bool) -> float:
    """Trains a model on the photos, and returns its validation accuracy."""
    history = model.fit(
        dataset(task.photos / "train", augment=augment),
        validation_data=dataset(task.photos / "validation", shuffle=False),
        epochs=task.epochs,
        verbose=0,
    )
    return float(history.history["val_accuracy"][-1])


def training(task: Task) -> Figures:
    """The naive CNN, with augmentation, from folders on."""
    keras.utils.set_random_seed(0)
    begin = time.perf_counter()
    accuracy = fitted(naive_cnn(), task, augment=True)
    return {"seconds": time.perf_counter() - begin, "accuracies": [accuracy]}


def vgg16_extraction(task: Task) -> Figures:
    """Features of photos in memory."""
    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    batches = [images for images, _ in dataset(task.photos / "train", shuffle=False)]
    images = keras.applications.vgg16.preprocess_input(np.concatenate(batches)[: task.images])
    return {"seconds": median_seconds(task, lambda: model.predict(images, verbose=0))}


def decode_resize(task: Task) -> Figures:
    """Reads photos of original size from folders."""
    batches = dataset(task.originals, shuffle=False)
    return {"seconds": median_seconds(task, lambda: [images for images, _ in batches])}


def lecture_run(task: Task) -> Figures:
    """All three approaches, from folders on."""
    keras.utils.set_random_seed(0)
    accuracies = [fitted(naive_cnn(), task, augment=False), fitted(approach_1(task), task, augment=True)]
    base = mobilenet(task)
    pooled = keras.Model(base.input, layers.GlobalAveragePooling2D()(base.output))
    data = []
    for part in ("train", "validation"):
        batches = dataset(task.photos / part, shuffle=False)
        prepared = batches.map(lambda images, _: keras.applications.mobilenet_v2.preprocess_input(images))
        labels = np.concatenate([labels for _, labels in batches])
        data.append((pooled.predict(prepared, verbose=0), labels))
    train, validation = data
    history = approach_2(train[0].shape[1]).fit(
        *train, validation_data=validation, epochs=5 * task.epochs, batch_size=BATCH_SIZE, verbose=0
    )
    return {"accuracies": [*accuracies, float(history.history["val_accuracy"][-1])]}


if __name__ == "__main__":
    main({row.__name__: row for row in (training, vgg16_extraction, decode_resize, lecture_run)})
