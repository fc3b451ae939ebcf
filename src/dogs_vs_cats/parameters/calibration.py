"""Parameters of calibration."""

from dogs_vs_cats.parameters.base import ParameterGroup


class CalibrationParameters(ParameterGroup):
    """Whether models are calibrated.

    Attributes:
        temperature: Divides the logits of every model by a number fitted on the validation images, in the model file
            itself. Predicted classes stay the same. False leaves the models as they were trained; the metrics and
            the report say what it would bring in any case.
    """

    temperature: bool
