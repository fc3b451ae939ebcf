"""Parameters of the headless base that the transfer-learning approaches build on."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from dogs_vs_cats.parameters.base import ParameterGroup, written

SOURCE_CNN, EARLIER_MODEL = "source_cnn", "earlier_model"
SOURCE_CNN_TAKES: dict[str | None, Any] = {"weights": "generated", "kwargs": {}, "preprocessing": "own"}


class SourceTaskParameters(ParameterGroup):
    """The generated task on which `source_cnn` is trained.

    Attributes:
        images: Number of generated training images.
        epochs: Passes over them.
        batch_size: Images a step.
        learning_rate: Initial step size of Adam; it falls to 0 along a cosine.
    """

    images: Annotated[int, Field(ge=100)]
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: Annotated[float, Field(gt=0, le=1)]


class BackboneParameters(ParameterGroup):
    """Which base, with which weights, and how its input is prepared.

    Attributes:
        name: `source_cnn`, developed here on a generated source task; a class of `keras.applications`; or
            `earlier_model`, one's own without its last layers.
        weights: `imagenet`, or a file of weights (`.h5`, `.weights.h5`) made for this base without its top.
            `source_cnn` trains itself and takes `generated`; `earlier_model` takes its `.keras` file.
        kwargs: Further arguments of the class, for instance `{alpha: 0.35}`; of `earlier_model` `{drop_layers: 2}`, how
            many of its last layers are left out.
        preprocessing: `own` is what the base was trained with, taken from Keras; `rescale` is the
            lectures' division by 255.
        source_task: How `source_cnn` is trained; unused by other bases.
    """

    name: Annotated[str, Field(min_length=1)]
    weights: Annotated[str, Field(min_length=1)]
    kwargs: dict[str, Any]
    preprocessing: Literal["own", "rescale"]
    source_task: SourceTaskParameters

    @field_validator("weights", "kwargs", "preprocessing")
    @classmethod
    def _fits_the_base(cls, value: Any, others: ValidationInfo) -> Any:
        name = others.data.get("name")
        if name == SOURCE_CNN and value != SOURCE_CNN_TAKES[others.field_name]:
            raise ValueError(f"{SOURCE_CNN} trains itself, so it takes {written(SOURCE_CNN_TAKES[others.field_name])}")
        if name != EARLIER_MODEL:
            return value
        if others.field_name == "weights" and not value.endswith(".keras"):
            raise ValueError(f"{EARLIER_MODEL} takes a model file, such as data/06_models/mnist/lenet5.keras")
        if others.field_name == "kwargs":
            drop_layers = value.get("drop_layers")
            if len(value) != 1 or type(drop_layers) is not int or drop_layers < 1:
                raise ValueError(f"{EARLIER_MODEL} takes drop_layers alone, its last layers to drop, at least 1")
        if others.field_name == "preprocessing" and value != "own":
            raise ValueError(f"{EARLIER_MODEL} has its preprocessing inside, so it takes own")
        return value
