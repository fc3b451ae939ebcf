"""How fast bases are: extracting features, and fine-tuning their last stage, as the environment `photos` does.

    PYTHONPATH=src .venv/bin/python benchmarks/bases.py EfficientNetV2B0 ResNet50

Weights are random, which costs as much time as trained ones. Rates come from the processor's time divided by the number
of cores, so that other work on the machine changes little.
"""

import sys
import time
from collections.abc import Callable

import keras
import numpy as np

from dogs_vs_cats.approaches import transfer_end_to_end
from dogs_vs_cats.compute.parallel import cores
from dogs_vs_cats.compute.precision import dtype_policy, with_dtype_policy
from dogs_vs_cats.compute.start import prepare_environment
from dogs_vs_cats.models.batchnorm_folding import fold_batch_normalisation
from dogs_vs_cats.models.frozen_base import last_stage, pooled
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.project import ROOT
from dogs_vs_cats.session.config_loader import ConfigLoader

SIZE, IMAGES, ROUNDS = 224, 32, 3


def rate(work: Callable[[], object]) -> float:
    """Images a second of the best of some rounds, after one that compiles."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        seconds.append((time.process_time() - started) / cores())
    return IMAGES / min(seconds)


def main() -> None:
    """Measures each class of `keras.applications` that the command names."""
    loader = ConfigLoader(str(ROOT / "conf"), base_env="base", env="photos", merge_strategy={"parameters": "soft"})
    compute = ComputeParameters.model_validate(loader["parameters"]["compute"])
    block = transfer_end_to_end.Parameters.model_validate(loader["parameters"]["transfer_end_to_end"])
    prepare_environment(compute)
    for name in sys.argv[1:]:
        measure(name, compute, block)


def measure(name: str, compute: ComputeParameters, block: transfer_end_to_end.Parameters) -> None:
    """Prints the rates of one base."""
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.arange(IMAGES) % 2
    base = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    policy = dtype_policy(compute, base)
    extractor = with_dtype_policy(fold_batch_normalisation(pooled(base, "avg")), policy)
    names = [layer.name for layer in base.layers]
    unfrozen = names[names.index(last_stage(base)) :]
    model = transfer_end_to_end.build(block, (SIZE, SIZE, 3), 2, base)
    tuned = with_dtype_policy(fold_batch_normalisation(model, leave=unfrozen), policy)
    for layer in map(tuned.get_layer(base.name).get_layer, unfrozen):
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    tuned.compile(block.optimizer, "binary_crossentropy")
    extracted = rate(lambda: extractor.predict_on_batch(pixels))
    trained = rate(lambda: tuned.train_on_batch(pixels, labels))
    print(f"{name}: {policy}, features {extracted:.0f} images/s, fine-tuning {trained:.0f} images/s", flush=True)


if __name__ == "__main__":
    main()
