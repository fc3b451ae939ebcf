"""Parameters of the approaches that train a network of the model zoo from scratch."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from dogs_vs_cats.parameters.training import TrainingParameters

# The names of `architectures.ARCHITECTURES`, which can't be imported before Keras is needed.
Architecture = Literal[
    "alexnet",
    "alexnet_224",
    "googlenet",
    "lenet5",
    "lenet5_original",
    "mlp",
    "mnist_cnn",
    "mnist_cnn_batchnorm",
    "mnist_cnn_pytorch",
    "resnet18",
    "resnet34",
    "vgg16",
]

WITH_DROPOUT = ("googlenet", "mnist_cnn", "mnist_cnn_batchnorm", "mnist_cnn_pytorch")
"""Those of them whose builders take a `dropout`."""


class ArchitectureParameters(TrainingParameters):
    """Parameters of networks that are trained from scratch.

    Attributes:
        architecture: Which network; see `dogs_vs_cats.models.architectures`.
        dropout: Fraction of values dropped while training; None leaves each network its own. Networks without dropout
            take only None.
        schedule: `constant` keeps the learning rate; `cosine` lets it fall from `learning_rate` to 0 over all epochs,
            slowly at both ends (Loshchilov and Hutter 2017, without restarts).
    """

    architecture: Architecture
    dropout: Annotated[float, Field(ge=0, lt=1)] | None
    schedule: Literal["constant", "cosine"]

    @field_validator("dropout")
    @classmethod
    def _has_dropout(cls, dropout: float | None, others: ValidationInfo) -> float | None:
        architecture = others.data.get("architecture")
        if dropout is not None and architecture is not None and architecture not in WITH_DROPOUT:
            raise ValueError(
                f"{architecture} has no dropout to set: set it to null, or take one of {', '.join(WITH_DROPOUT)}"
            )
        return dropout

    def options(self) -> dict[str, Any]:
        """Arguments of the network's builder beside shape and classes."""
        return {} if self.dropout is None else {"dropout": self.dropout}
