"""A network of the model zoo, trained from scratch: `architecture` names it, see `dogs_vs_cats.models.architectures`.

The lectures' networks for MNIST are variants of this approach, each with a block of parameters in `conf/mnist`.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.models.architectures import ARCHITECTURES, has_dropout, known_architecture
from dogs_vs_cats.models.architectures.inception import with_auxiliary_classifiers
from dogs_vs_cats.parameters.training import TrainingParameters

TRAINS_ON: Literal["images", "features"] = "images"
USES_BACKBONE = False


class Parameters(TrainingParameters):
    """Parameters that networks of the zoo add.

    Attributes:
        architecture: Which network.
        dropout: Fraction of values dropped while training; None leaves each network its own. Networks without dropout
            take only None.
        schedule: As for every approach, but required: networks of the zoo are mostly trained with `cosine`.
        train_on_all: Trains on the validation images too, for the final model. Only the test images then measure it: it
            has no validation metrics, and the comparison doesn't choose it as the best.
    """

    architecture: Annotated[str, AfterValidator(known_architecture)]
    dropout: Annotated[float, Field(ge=0, lt=1)] | None
    schedule: Literal["constant", "cosine"]
    train_on_all: bool = False

    @field_validator("dropout")
    @classmethod
    def _has_dropout(cls, dropout: float | None, others: ValidationInfo) -> float | None:
        architecture = others.data.get("architecture")
        if dropout is not None and architecture is not None and not has_dropout(architecture):
            with_dropout = ", ".join(filter(has_dropout, ARCHITECTURES))
            raise ValueError(f"{architecture} has no dropout to set: set it to null, or take one of {with_dropout}")
        return dropout

    @field_validator("train_on_all")
    @classmethod
    def _no_epoch_is_chosen(cls, train_on_all: bool, others: ValidationInfo) -> bool:
        chosen = others.data.get("keep_best_epoch") or others.data.get("early_stopping_patience") is not None
        if train_on_all and chosen:
            raise ValueError(
                "leaves no validation images to choose an epoch by: set keep_best_epoch to false and "
                "early_stopping_patience to null"
            )
        return train_on_all


def build(parameters: Parameters, input_shape: tuple[int, ...], classes: int, backbone: Model | None = None) -> Model:
    """Builds the network that the parameters name."""
    from dogs_vs_cats.models.architectures import build_architecture

    options = {} if parameters.dropout is None else {"dropout": parameters.dropout}
    return build_architecture(parameters.architecture, input_shape, classes, **options)


def with_auxiliaries(parameters: Parameters, model: Model, classes: int) -> Model:
    """Adds the auxiliary classifiers that the network is trained with, where it has any (GoogLeNet).

    Args:
        parameters: Give `architecture`.
        model: The result of `build`, or a copy of it.
        classes: Number of classes.

    Returns:
        A model with the same weights, whose first output is that of `model`; `model` itself where there are none.
    """
    return with_auxiliary_classifiers(model, classes) if parameters.architecture == "googlenet" else model
