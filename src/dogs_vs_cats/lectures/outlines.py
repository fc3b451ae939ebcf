"""Networks whose layers are counted: built without drawing weights, in no time and little memory."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


class Outline:
    """What the lectures count on a network.

    `outline["flatten"]` is what the layer `flatten` puts out for one image.

    Attributes:
        model: The network; its weights have shapes but no values.
        counts: Parameters of each layer that has any, by its name.
    """

    def __init__(self, build: Callable[[], "keras.Model"]):
        """Builds the network.

        Args:
            build: Returns it.
        """
        import keras

        with keras.StatelessScope(initialize_variables=False):
            self.model = build()
        self.counts = {layer.name: layer.count_params() for layer in self.model.layers if layer.count_params()}

    def __getitem__(self, layer: str) -> str:
        return _shape(self.model.get_layer(layer).output.shape[1:])

    @property
    def image(self) -> str:
        """Shape of what it takes."""
        return _shape(self.model.input_shape[1:])

    @property
    def inputs(self) -> int:
        """Numbers that it takes."""
        return math.prod(self.model.input_shape[1:])

    @property
    def parameters(self) -> int:
        """Trainable or not."""
        return sum(self.counts.values())

    @property
    def millions(self) -> float:
        """Of parameters."""
        return self.parameters / 1e6

    @property
    def trainable(self) -> int:
        """Parameters that training changes."""
        return sum(math.prod(weight.shape) for weight in self.model.trainable_weights)

    @property
    def not_trainable(self) -> int:
        """Parameters that training leaves to the layers themselves, or as they are."""
        return self.parameters - self.trainable

    @property
    def layers(self) -> str:
        """Parameters of each layer that has any."""
        return "; ".join(f"{count:,}" for count in self.counts.values())

    @property
    def units(self) -> str:
        """Of a multilayer perceptron: its inputs, and the units of each layer."""
        return "-".join(
            str(count) for count in (self.inputs, *(self.model.get_layer(name).units for name in self.counts))
        )

    @property
    def dropout(self) -> str:
        """Rates of its dropout layers."""
        return ", ".join(f"{layer.rate:g}" for layer in self.model.layers if hasattr(layer, "rate"))

    @property
    def divisor(self) -> float:
        """What its first layer divides pixels by."""
        return 1 / float(self.model.get_layer("rescale").scale)


def _shape(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes)) if len(sizes) > 1 else f"{sizes[0]:,}"
