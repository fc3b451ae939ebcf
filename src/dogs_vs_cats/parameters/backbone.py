"""Parameters of the headless base that the transfer-learning approaches build on."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt

from dogs_vs_cats.parameters.base import ParameterGroup


class SourceTaskParameters(ParameterGroup):
    """The generated task on which `source_cnn` is trained.

    Attributes:
        images: Number of generated training images.
        epochs: Passes over them.
        batch_size: Images a step.
        learning_rate: Step size of Adam.
    """

    images: Annotated[int, Field(ge=100)]
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: Annotated[float, Field(gt=0, le=1)]


class BackboneParameters(ParameterGroup):
    """Which base, with which weights, and how its input is prepared.

    Attributes:
        name: `source_cnn`, developed here on a generated source task, or a class of `keras.applications`.
        weights: `imagenet`, or a file of weights (`.h5`, `.weights.h5`) made for this base without its top.
            `source_cnn` trains itself and takes `generated`.
        kwargs: Further arguments of the class, for instance `{alpha: 0.35}`.
        preprocessing: `own` is what the base was trained with, taken from Keras; `rescale` is the
            lectures' division by 255.
        source_task: How `source_cnn` is trained; unused by other bases.
    """

    name: Annotated[str, Field(min_length=1)]
    weights: Annotated[str, Field(min_length=1)]
    kwargs: dict[str, Any]
    preprocessing: Literal["own", "rescale"]
    source_task: SourceTaskParameters
