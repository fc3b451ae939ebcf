"""Training an approach once for each of its seeds."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dogs_vs_cats.training.inputs import TrainingInputs

if TYPE_CHECKING:
    from dogs_vs_cats.training.loop import TrainedModel

logger = logging.getLogger(__name__)


def train_seeds(inputs: TrainingInputs, state_folder: Path) -> "Iterator[tuple[int, TrainedModel]]":
    """Trains an approach with one seed after the other.

    Args:
        inputs: How to train, and on which images.
        state_folder: Holds the state after each epoch until a training ends.

    Yields:
        Each seed and its model, which keeps the model contract, uncompiled.

    Raises:
        TrainingError: The loss stopped being a number, or a batch didn't fit into memory.
        BackboneError: `unfreeze_from` isn't a layer of the base.
        ParameterError: There are fewer devices than `compute.devices`.
    """
    import keras

    from dogs_vs_cats.training.on_features import train_on_features
    from dogs_vs_cats.training.on_images import train_on_images

    if not len(inputs.data.rows("validation")):
        logger.warning("%s trains on the validation images too: it has no validation, only a test", inputs.name)
    train = train_on_features if inputs.approach.TRAINS_ON == "features" else train_on_images
    for seed in inputs.parameters.seeds or [inputs.seed]:
        # Names and random states then don't depend on what this process built before.
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        yield seed, train(inputs, seed, state_folder)
