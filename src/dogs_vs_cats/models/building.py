"""Building networks without weights, and refusing images that are too small by naming the least sufficient size."""

from bisect import bisect_left
from collections.abc import Callable
from typing import TypeVar

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.errors import ParameterError

Shape = tuple[int, ...]
Built = TypeVar("Built")

# No network needs more; every doubling is one more attempt.
_LARGEST_SIZE = 512
# Keras's words for a convolution or pooling whose window is larger than what it is given.
_NOTHING_LEFT = "Computed output size"


def for_images(what: str, shape: Shape, build: Callable[[Shape], Model]) -> Model:
    """Builds a network for images of a shape.

    Args:
        what: Its name, for the message.
        shape: Height, width and channels of the images, which are square.
        build: Builds it for a shape.

    Returns:
        The result of `build`.

    Raises:
        ParameterError: The images are too small for the network.
    """
    try:
        return build(shape)
    except ValueError as error:
        if _NOTHING_LEFT not in str(error):
            raise
        size = "×".join(map(str, shape))
        raise ParameterError(
            f"Images of {size} are too small for {what}. Set ingestion.image_size to at least "
            f"{_least_size(shape, build)}."
        ) from error


def _least_size(shape: Shape, build: Callable[[Shape], Model]) -> int:
    def is_enough(size: int) -> bool:
        try:
            build((size, size, shape[2]))
        except ValueError:
            return False
        return True

    return without_weights(lambda: bisect_left(range(_LARGEST_SIZE), True, lo=shape[0] + 1, key=is_enough))


def without_weights(build: Callable[[], Built]) -> Built:
    """Builds networks whose weights have shapes but no values, which takes little time and memory."""
    import keras

    try:
        with keras.StatelessScope(initialize_variables=False):
            return build()
    finally:
        # Otherwise Keras would initialise them later.
        keras.utils.clear_session()
