"""The networks on which the lectures count layers, parameters and sizes."""

import math
from collections.abc import Mapping
from typing import Any

from dogs_vs_cats.approaches import approach_of
from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.lectures.claims import content

_PHOTO = (150, 150, 3)


def networks(lecture: Mapping[str, Any]) -> dict[str, Model]:
    """Builds every network without drawing its weights, which takes little time and memory.

    Args:
        lecture: All parameters of the environment `lecture`.

    Returns:
        The networks by the names that `claims.yml` has for them.
    """
    import keras

    from dogs_vs_cats.models.architectures import build_architecture
    from dogs_vs_cats.models.architectures.mlp import boston_mlp, iris_mlp

    zoo = content()["networks"].items()
    with keras.StatelessScope(initialize_variables=False):
        return {
            **{name: build_architecture(name, tuple(shape), classes) for name, (*shape, classes) in zoo},
            **_approaches(lecture),
            **_inception_modules(),
            "iris_mlp": iris_mlp(),
            "boston_mlp": boston_mlp(),
            "imagenet": keras.applications.VGG16(weights=None),
        }


def _approaches(lecture: Mapping[str, Any]) -> dict[str, Model]:
    import keras

    def build(name: str, input_shape: tuple[int, ...], backbone: Model | None = None) -> Model:
        module = approach_of(name, lecture[name])
        return module.build(module.Parameters.model_validate(lecture[name]), input_shape, 2, backbone)

    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=_PHOTO)
    return {
        "naive_cnn": build("naive_cnn", _PHOTO),
        "base": base,
        "approach_1": build("transfer_end_to_end", _PHOTO, base),
        "head": build("transfer_bottleneck", (math.prod(base.output_shape[1:]),)),
    }


def _inception_modules() -> dict[str, Model]:
    import keras

    from dogs_vs_cats.models.architectures.inception import convolutions_in_sequence, naive_module, reduced_module

    def module(channels: int, build: Any, filters: Any) -> Model:
        maps = keras.Input((28, 28, channels))
        return keras.Model(maps, build(maps, filters, "m"))

    return {
        "side_by_side": module(1, naive_module, 32),
        "in_sequence": module(1, convolutions_in_sequence, 32),
        "naive_module": module(256, naive_module, 8),
        "reduced_module": module(256, reduced_module, (8, 8, 8, 8, 8, 8)),
    }
