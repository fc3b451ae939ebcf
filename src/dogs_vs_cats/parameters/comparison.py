"""Parameters of the comparison."""

from typing import Annotated, Literal

from pydantic import Field

from dogs_vs_cats.parameters.base import ParameterGroup

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Metric = Literal["log_loss", "accuracy", "balanced_accuracy", "roc_auc"]


class LectureFigures(ParameterGroup):
    """The figures that a lecture prints about an approach; those that it doesn't print are left out.

    Attributes:
        train_accuracy: 0..1.
        validation_accuracy: 0..1.
        test_accuracy: 0..1.
        parameters: Of the whole model, as printed.
        trainable_parameters: As printed.
        epochs: Passes over the training images.
        seconds_per_epoch: As printed, in seconds.
    """

    train_accuracy: Fraction | None = None
    validation_accuracy: Fraction | None = None
    test_accuracy: Fraction | None = None
    parameters: Count | None = None
    trainable_parameters: Count | None = None
    epochs: Count | None = None
    seconds_per_epoch: Annotated[float, Field(ge=0)] | None = None


class ComparisonParameters(ParameterGroup):
    """How the best approach is chosen, and the figures that results are compared with.

    Attributes:
        metric: Chooses the best approach, the champion, and the default model of inference, on the validation images.
            Of equal ones, the lower log loss decides.
        lecture: For each approach the lecture's figures; None where an experiment is not a lecture's.
    """

    metric: Metric = "log_loss"
    lecture: dict[str, LectureFigures] | None
