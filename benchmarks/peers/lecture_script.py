"""The lecture's way: `ImageDataGenerator` reads photos from folders in every epoch, and everything is float32."""

import time

import numpy as np
from lecture import dogs_vs_cats as lecture
from side import SIZE, Figures, Task, main, median_seconds
from tensorflow.keras.optimizers import Nadam
from tensorflow.keras.preprocessing.image import ImageDataGenerator


def training(task: Task) -> Figures:
    """The naive CNN, with augmentation, from folders on."""
    begin = time.perf_counter()
    history = lecture.naive_cnn(Nadam(3e-4)).fit(
        lecture.flow(task.photos / "train", augment=True),
        validation_data=lecture.flow(task.photos / "validation", shuffle=False),
        epochs=task.epochs,
        verbose=0,
    )
    return {"seconds": time.perf_counter() - begin, "accuracies": history.history["val_accuracy"][-1:]}


def vgg16_extraction(task: Task) -> Figures:
    """Features of photos in memory."""
    model = lecture.base(None)
    batches = lecture.flow(task.photos / "train", shuffle=False)
    scaled = np.concatenate([batches[index][0] for index in range(len(batches))])[: task.images]
    return {"seconds": median_seconds(task, lambda: model.predict(scaled, verbose=0))}


def decode_resize(task: Task) -> Figures:
    """Reads photos of original size from folders; bilinear, since the default takes single pixels."""
    flow = ImageDataGenerator().flow_from_directory(
        task.originals, target_size=(SIZE, SIZE), shuffle=False, interpolation="bilinear"
    )
    return {"seconds": median_seconds(task, lambda: [flow[index] for index in range(len(flow))])}


def lecture_run(task: Task) -> Figures:
    """The lecture's script."""
    lecture.TRAINING, lecture.VALIDATION = task.training, task.training // 3
    return {"accuracies": list(lecture.main(task.archive, str(task.weights)).values())}


if __name__ == "__main__":
    main({row.__name__: row for row in (training, vgg16_extraction, decode_resize, lecture_run)})
