"""How networks behave: what they answer, lose and learn, found by running them."""

import math
from typing import Any, cast

import numpy as np

from dogs_vs_cats.evaluation.significance import accuracy_interval
from dogs_vs_cats.lectures.claims import by_interval

IRIS = 0.987
"""The accuracy that L3 prints."""


def figures() -> dict[str, Any]:
    """Runs everything that is run while the page is written."""
    return {
        "lenet5_original_facts": _lenet5_original(),
        "loss_of_ten_classes": _loss_of_ten_classes(),
        "googlenet": _googlenet(),
        "own_model": _own_model(),
        "iris": _iris(),
    }


def _lenet5_original() -> dict[str, str]:
    import keras

    from dogs_vs_cats.models.architectures import build_architecture
    from dogs_vs_cats.models.architectures.lenet import digit_pictures

    network = build_architecture("lenet5_original", (32, 32, 1), 10)
    activations = {network.get_layer(name).activation.__name__ for name in ("c1", "s2", "c3", "s4", "c5", "f6")}
    pooled = (network.get_layer(name) for name in ("s2", "s4"))
    learned = {layer.count_params() / layer.output.shape[-1] for layer in pooled}
    inside = keras.Model(network.input, [network.get_layer(name).output for name in ("f6", "distances")])
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1))
    f6, distances = (keras.ops.convert_to_numpy(part) for part in inside(images))
    expected = ((f6[:, np.newaxis] - digit_pictures()) ** 2).sum(axis=-1)
    return {
        "activations": ", ".join(sorted(activations)),
        "outputs": "RBF" if np.allclose(distances, expected, rtol=1e-3) else "something else",
        "pooling": "a scale and a bias" if learned == {2} else f"{learned} numbers",
    }


def _loss_of_ten_classes() -> str:
    """What the project's loss is for ten classes, found by comparing numbers."""
    import keras

    from dogs_vs_cats.training.loop import loss_function

    random = np.random.default_rng(0)
    answers, labels = random.dirichlet(np.ones(10), 8).astype(np.float32), np.arange(8)
    theirs = keras.losses.CategoricalCrossentropy()(np.eye(10, dtype=np.float32)[labels], answers)
    ours = loss_function(10)
    is_same = math.isclose(float(ours(labels, answers)), theirs, rel_tol=1e-5)
    return "categorical cross-entropy" if is_same else ours.name


def _googlenet() -> dict[str, Any]:
    """Gives GoogLeNet's loss three answers of which one is unsure, and so finds what each classifier's loss counts."""
    import keras

    from dogs_vs_cats.models.architectures.inception import googlenet, with_auxiliary_classifiers
    from dogs_vs_cats.training.auxiliary_losses import AuxiliaryLosses

    with keras.StatelessScope(initialize_variables=False):
        training = AuxiliaryLosses(with_auxiliary_classifiers(googlenet((65, 65, 3), 3), 3))
        image = keras.Input((65, 65, 3))
        in_training, outside = (len(keras.tree.flatten(training(image, training=mode))) for mode in (True, False))
    training.compile(loss="sparse_categorical_crossentropy")
    sure, unsure = (np.array([answer], np.float32) for answer in ([1, 0, 0], [0.5, 0.25, 0.25]))

    def loss(answers: Any) -> float:
        return float(keras.ops.convert_to_numpy(training.compute_loss(y=np.array([0]), y_pred=answers)))

    names = ("main", "auxiliary 1", "auxiliary 2")
    weights = [loss([unsure if name == other else sure for other in names]) / loss(unsure) for name in names]
    terms = [name if round(w, 3) == 1 else f"{w:.3g}·{name}" for name, w in zip(names, weights, strict=True)]
    return {"loss": " + ".join(terms), "in_training": in_training, "outside": outside}


def _own_model() -> dict[str, Any]:
    """Trains a step on an earlier model of one's own, with all of its layers frozen and with the first three."""
    import keras

    from dogs_vs_cats.models.architectures import build_architecture
    from dogs_vs_cats.models.backbones import without_last_layers

    keras.utils.set_random_seed(0)
    earlier = build_architecture("lenet5", (28, 28, 1), 10)
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (32, 28, 28, 1), dtype=np.uint8), np.arange(32) % 3

    def unchanged_layers(frozen: int | None) -> tuple[int, int]:
        """How many of the first layers a step leaves as they are, and how many there are."""
        base = cast(keras.Model, without_last_layers(earlier, 2))
        # Rescaling, which has no weights, is the first layer here, and the third is a pooling.
        layers = base.layers[1:]
        for layer in layers[:frozen]:
            layer.trainable = False
        before = [[weight.tobytes() for weight in layer.get_weights()] for layer in layers]
        model = keras.Sequential([base, keras.layers.Dense(3, activation="softmax", name="probabilities")])
        # Compiling a single step takes longer than the step.
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
        model.train_on_batch(images, labels)
        after = [[weight.tobytes() for weight in layer.get_weights()] for layer in layers]
        changed = [old != new for old, new in zip(before, after, strict=True)]
        return changed.index(True) if any(changed) else len(layers), len(layers)

    (all_unchanged, left), (first, _) = unchanged_layers(None), unchanged_layers(3)
    return {
        "popped": len(earlier.layers) - 1 - left,
        "frozen_all": "all that are left" if all_unchanged == left else all_unchanged,
        "frozen_first": first,
    }


def _iris() -> dict[str, Any]:
    """Trains the perceptron for 40 passes over the table that scikit-learn brings along."""
    import keras
    from sklearn.datasets import load_iris

    from dogs_vs_cats.models.architectures.mlp import iris_mlp

    table = load_iris()
    random = np.random.default_rng(0)
    order = np.concatenate([random.permutation(len(table.data)) for _ in range(40)])
    keras.utils.set_random_seed(0)
    network = iris_mlp()
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    # One epoch over all passes: most of the time of 40 short epochs would be their beginnings and ends.
    network.fit(table.data[order], table.target[order], batch_size=10, shuffle=False, verbose=0)
    answers = keras.ops.convert_to_numpy(network(table.data)).argmax(axis=1)
    correct, flowers = int((answers == table.target).sum()), len(table.target)
    low, high = accuracy_interval(correct, flowers)
    return {
        "correct": correct,
        "flowers": flowers,
        "accuracy": correct / flowers,
        "low": low,
        "high": high,
        "verdict": by_interval(IRIS, low, high),
        "lecture": round(IRIS * flowers),
    }
