"""Networks whose layers are counted: built without drawing weights, in no time and little memory."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from dogs_vs_cats.pipelines.replication.claims import written

if TYPE_CHECKING:
    import keras

Built = TypeVar("Built")


def outline(build: Callable[[], Built]) -> Built:
    """Builds networks whose weights have shapes but no values."""
    import keras

    with keras.StatelessScope(initialize_variables=False):
        return build()


def counts(model: "keras.Model") -> str:
    """The parameters of each layer that has any."""
    return "; ".join(written(layer.count_params()) for layer in model.layers if layer.count_params())


def shapes(model: "keras.Model", *names: str) -> str:
    """What some layers put out for one image."""
    sizes = (model.get_layer(name).output.shape[1:] for name in names)
    return "; ".join("×".join(map(str, size)) if len(size) > 1 else written(size[0]) for size in sizes)


def summed(parts: list[int]) -> str:
    """A sum with its parts."""
    return " + ".join(map(written, parts)) + f" = {sum(parts):,}"
