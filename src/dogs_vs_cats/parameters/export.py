"""Parameters of the export of a trained model."""

from typing import Annotated, Literal

from pydantic import Field

from dogs_vs_cats.parameters.base import Distinct, ParameterGroup

ExportFormat = Literal["onnx", "litert", "saved_model"]
Quantisation = Literal["none", "float16", "int8"]


class ExportParameters(ParameterGroup):
    """The model to export, and the files to make of it.

    Attributes:
        approach: An approach, or anything else that `inference.model` takes; None takes the best approach of this
            experiment, by `comparison.metric` on the validation images.
        formats: `onnx` for ONNX Runtime, `litert` for LiteRT (formerly TensorFlow Lite), `saved_model` for TensorFlow.
        quantise: `none` keeps float32; `float16` halves the weights; `int8` computes with 8-bit integers, whose ranges
            are calibrated on training images. A SavedModel is always float32.
        tolerance: The largest share of the test images whose answer may change, 0..1. A file that changes more is
            refused.
    """

    approach: Annotated[str, Field(min_length=1)] | None
    formats: Annotated[Distinct[ExportFormat], Field(min_length=1)]
    quantise: Quantisation
    tolerance: Annotated[float, Field(ge=0, le=1)]
