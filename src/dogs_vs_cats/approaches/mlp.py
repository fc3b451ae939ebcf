"""The multilayer perceptron of L3, 784-128-64-10: 109,386 parameters, no convolution.

The lecture gets 98.36 % of MNIST's test images right with it, and 84.18 % of Fashion-MNIST's.
"""

from typing import Self

from pydantic import model_validator

from dogs_vs_cats.approaches.from_scratch import TRAINS_ON, USES_BACKBONE, build, with_auxiliaries
from dogs_vs_cats.parameters.architecture import ArchitectureParameters

__all__ = ["TRAINS_ON", "USES_BACKBONE", "Parameters", "build", "with_auxiliaries"]


class Parameters(ArchitectureParameters):
    """What the perceptron adds.

    Attributes:
        train_on_all: Trains on the validation images too, for the final model. Nothing then tells how good it is but
            the test images: it has no validation metrics, and the comparison doesn't choose it as the best.
    """

    train_on_all: bool

    @model_validator(mode="after")
    def _nothing_to_choose_by(self) -> Self:
        chosen = self.keep_best_epoch or self.early_stopping_patience is not None
        if self.train_on_all and chosen:
            raise ValueError(
                "train_on_all leaves no validation images to choose an epoch by: set keep_best_epoch to false and "
                "early_stopping_patience to null"
            )
        return self
