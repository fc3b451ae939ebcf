"""Effect of each training option, alone and together, on a small network that is trained from scratch on real photos.

    PYTHONPATH=src python benchmarks/recipe.py            # prints a line for each, docs/training.md has a table of them

1,500 photos of 64x64 pixels train `mnist_cnn_pytorch`, two convolutions and two dense layers, 500 validate it and 3,000
test it. Each option is added to augmentation.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from material import photos, training_inputs

SIZE, EPOCHS = 64, 12
SPLITS = ["train"] * 1500 + ["validation"] * 500 + ["test"] * 3000
USUAL = {
    **{"architecture": "mnist_cnn_pytorch", "epochs": EPOCHS, "batch_size": 32, "optimizer": "adam"},
    **{"learning_rate": 0.001, "schedule": "constant", "keep_best_epoch": True, "class_weights": False},
}
TRANSFORMS = {
    **{"rotation_range": 15, "width_shift_range": 0.1, "height_shift_range": 0.1, "zoom_range": 0.2},
    **{"shear_range": 0, "horizontal_flip": True},
}
COLOUR = {"brightness_range": [0.7, 1.3], "channel_shift_range": 20}
OPTIONS: dict[str, dict[str, Any]] = {
    "schedule, warmup_epochs": {"schedule": "cosine", "warmup_epochs": 1},
    "weight_decay": {"weight_decay": 0.1},
    "label_smoothing": {"label_smoothing": 0.1},
    "mixup": {"mixup": 0.2},
    "cutmix": {"cutmix": 1.0},
    "ema": {"ema": 0.98},
    "average_flips": {"average_flips": True},
}


def main() -> None:
    """Trains and tests the network with each set of training options; arguments are seeds, 0 by default."""
    import pandas as pd

    from dogs_vs_cats.pipelines.approach.nodes import evaluate, train
    from dogs_vs_cats.training.inputs import LabelledImages

    images, labels = photos(SIZE, of_each=2500)
    manifest = pd.DataFrame({"path": [f"{number}.jpg" for number in range(5000)], "label": labels, "split": SPLITS})
    data = LabelledImages(images, manifest, ["cat", "dog"], {"identity": "photos"})
    augmented = {**USUAL, "augment": True}
    together = {name: value for option in OPTIONS.values() for name, value in option.items()}
    variants = {"no augmentation": {**USUAL, "augment": False}, "augmentation": augmented}
    variants |= {f"+ {name}": {**augmented, **option} for name, option in OPTIONS.items()}
    variants |= {"+ colour": augmented, "all but mixup and cutmix": {**augmented, **together, "mixup": 0, "cutmix": 0}}
    variants |= {"all": {**augmented, **together}}
    for seed in map(int, sys.argv[1:] or ["0"]):
        for name, block in variants.items():
            transforms = {**TRANSFORMS, **(COLOUR if name == "+ colour" else {})}
            inputs = training_inputs(data, "from_scratch", block, seed=seed, transforms=transforms)
            begin = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                model, info, _, _, metrics = train(inputs, Path(folder))
            seconds = time.perf_counter() - begin
            _, measured, _ = evaluate(model, info, metrics, images, manifest, inputs.compute)
            test = {figure: round(measured["test"][figure], 4) for figure in ("accuracy", "log_loss")}
            print(json.dumps({"seed": seed, "variant": name, **test, "seconds": round(seconds, 1)}), flush=True)


if __name__ == "__main__":
    main()
