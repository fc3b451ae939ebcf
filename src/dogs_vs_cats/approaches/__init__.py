"""The approaches that can be trained and compared.

A module `approaches/<name>.py` has

* `Parameters`, a `TrainingParameters` with what this approach adds to them,
* `TRAINS_ON`, `"images"` (batches of raw images) or `"features"` (rows of bottleneck features),
* `USES_BACKBONE`, whether it builds on the `backbone`,
* `build`, which returns the Keras model to train (see `Approach.build`): for images the whole model, for features the
  head alone, which is joined with the backbone after training,
* optionally `with_auxiliaries(parameters, model, classes)`, which returns the model to train in place of a whole model:
  its own output first, then those of auxiliary classifiers whose losses are added (see `auxiliary_losses`).

To add an approach, write its module and a block of parameters of the same name, and list it in `approaches`. A block of
another name is a variant: its `approach` names the module.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, Literal, Protocol, cast

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.parameters.training import TrainingParameters


class Approach(Protocol):
    """The interface of a module of this package."""

    Parameters: type[TrainingParameters]
    TRAINS_ON: Literal["images", "features"]
    USES_BACKBONE: bool

    def build(
        self, parameters: Any, input_shape: tuple[int, ...], classes: int, backbone: Model | None = None
    ) -> Model:
        """Builds the model to train.

        Args:
            parameters: The approach's `Parameters`.
            input_shape: Height, width and channels of the images, or the number of features as a tuple of one.
            classes: Number of classes, at least 2.
            backbone: The headless base, raw images in, which is frozen in place; None where the model doesn't hold it.

        Returns:
            An uncompiled model from raw images, (n, height, width, channels) in 0..255, or from rows of features,
            (n, features), to probabilities.

        Raises:
            ParameterError: It can't be built for such images or classes.
            BackboneError: The base lacks a layer that the parameters name.
        """
        ...


def names() -> list[str]:
    """Names of the modules, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def module_name(name: str, block: Any) -> str:
    """Name of the module that builds an approach, whether there is one or not.

    Args:
        name: The approach.
        block: Its parameters; anything that isn't a block of them names no other module.
    """
    named = block.get("approach") if isinstance(block, Mapping) else None
    return name if named is None else named


def approach_of(name: str, block: Mapping[str, Any] | None) -> Approach:
    """Imports the module that builds an approach; it imports Keras only when it builds.

    Args:
        name: The approach.
        block: Its parameters, whose `approach` names the module where it isn't `name`.

    Raises:
        ParameterError: There is no such module.
    """
    module = module_name(name, block)
    if module not in names():
        raise ParameterError(
            f"There is no approach {module!r}; there are {', '.join(names())}, and every block of parameters whose "
            "`approach` names one of them."
        )
    return cast(Approach, importlib.import_module(f"{__name__}.{module}"))
