"""Parameters of the headless base that the transfer-learning approaches build on."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from dogs_vs_cats.parameters.base import ParameterGroup, written

SOURCE_CNN, EARLIER_MODEL = "source_cnn", "earlier_model"
HUB = "hub:"
"""Begins the name of a preset of KerasHub."""
MODEL_FILE = ".keras"
PRESET = "preset"

_TAKES: dict[str, tuple[str, dict[str | None, Any]]] = {
    SOURCE_CNN: (f"{SOURCE_CNN} trains itself", {"weights": "generated", "kwargs": {}, "preprocessing": "own"}),
    HUB: (
        "a preset brings its weights and its preprocessing",
        {"weights": PRESET, "kwargs": {}, "preprocessing": "own"},
    ),
    MODEL_FILE: (
        "a headless .keras file has its structure and preprocessing inside",
        {"kwargs": {}, "preprocessing": "own"},
    ),
}
"""Why kinds of bases take some parameters with one value alone, and which."""


def kind_of_base(name: object, weights: object) -> str:
    """The kind of a base: `source_cnn`, `earlier_model`, `hub:`, `.keras` (a headless file), or empty for a class."""
    if name in (SOURCE_CNN, EARLIER_MODEL):
        return str(name)
    if str(name).startswith(HUB):
        return HUB
    return MODEL_FILE if str(weights).endswith(MODEL_FILE) else ""


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
            `earlier_model`, one's own without its last layers; or `hub:` and a preset of KerasHub. A headless `.keras`
            file brings its own name.
        weights: `imagenet`; a file of weights (`.h5`, `.weights.h5`) made for this base without its top; or a
            headless `.keras` file, which is the whole base. `source_cnn` trains itself and takes `generated`;
            `earlier_model` takes its `.keras` file; a preset brings its own.
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

    @property
    def kind(self) -> str:
        """The kind of the base; see `kind_of_base`."""
        return kind_of_base(self.name, self.weights)

    @field_validator("weights", "kwargs", "preprocessing")
    @classmethod
    def _fits_the_base(cls, value: Any, others: ValidationInfo) -> Any:
        kind = kind_of_base(others.data.get("name"), others.data.get("weights"))
        reason, taken = _TAKES.get(kind, ("", {}))
        allowed = taken.get(others.field_name, value)
        if value != allowed:
            hint = "; a headless .keras file goes with any other backbone.name" if kind == SOURCE_CNN else ""
            raise ValueError(
                f"{reason}, so it takes {written(allowed)}{hint if str(value).endswith(MODEL_FILE) else ''}"
            )
        if kind == EARLIER_MODEL:
            cls._refuse_for_earlier_model(value, others.field_name)
        return value

    @staticmethod
    def _refuse_for_earlier_model(value: Any, field: str | None) -> None:
        if field == "weights" and not value.endswith(MODEL_FILE):
            raise ValueError(f"{EARLIER_MODEL} takes a model file, such as data/06_models/mnist/lenet5.keras")
        if field == "kwargs":
            drop_layers = value.get("drop_layers")
            if len(value) != 1 or type(drop_layers) is not int or drop_layers < 1:
                raise ValueError(f"{EARLIER_MODEL} takes drop_layers alone, its last layers to drop, at least 1")
        if field == "preprocessing" and value != "own":
            raise ValueError(f"{EARLIER_MODEL} has its preprocessing inside, so it takes own")
