"""The approaches that can be trained and compared: one module each.

A module `approaches/<name>.py` has

* `Parameters`, a `TrainingParameters` with what this approach adds to them,
* `TRAINS_ON`, `"images"` (batches of raw images) or `"features"` (rows of bottleneck features),
* `USES_BACKBONE`, whether it builds on the `backbone`,
* `build(parameters, input_shape, classes, backbone)`, which returns the Keras model to train: for images the
  whole model, raw images (0..255) in, probabilities out; for features the head alone, which is joined with the
  backbone after training,
* optionally `with_auxiliaries(parameters, model, classes)`, which returns the model to train in place of a whole model:
  its answer first, and behind it those of classifiers whose losses are added to its own (`auxiliary_losses`).

To add one, write its module and give it a block of parameters and a place in `approaches`.
"""

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.parameters.training import TrainingParameters

if TYPE_CHECKING:
    import keras


class Approach(Protocol):
    """What a module of this package provides."""

    Parameters: type[TrainingParameters]
    TRAINS_ON: Literal["images", "features"]
    USES_BACKBONE: bool

    def build(
        self, parameters: Any, input_shape: tuple[int, ...], classes: int, backbone: "keras.Model | None" = None
    ) -> "keras.Model":
        """Builds the model to train, uncompiled."""
        ...


def names() -> list[str]:
    """Names of all approaches, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Approach:
    """Imports the module of one approach; it imports Keras only when it builds.

    Raises:
        ParameterError: There is no such approach.
    """
    if name not in names():
        raise ParameterError(f"There is no approach {name!r}; there are {', '.join(names())}.")
    return cast(Approach, importlib.import_module(f"{__name__}.{name}"))
