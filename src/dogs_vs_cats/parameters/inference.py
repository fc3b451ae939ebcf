"""Parameters of the classification of new photos."""

from typing import Annotated, Literal

from pydantic import Field

from dogs_vs_cats.parameters.base import ParameterGroup


class InferenceParameters(ParameterGroup):
    """The photos to classify, the model, and the output format.

    Attributes:
        source: A folder, a `.zip` or an image file, each also in object storage (`s3://bucket/photos`); the address of
            a `.zip`; or a list (`.txt` or `.csv`). Relative paths count from the project root. None until something is
            to be classified.
        model: An approach, `champion` (the alias in MLflow's registry), the address of a model in MLflow
            (`models:/NAME/VERSION`, `runs:/RUN/APPROACH`) or a `.keras` file; None takes the best approach of this
            experiment, by `comparison.metric` on the validation images.
        format: `csv` writes `inference.csv`, a row for each file; `kaggle` writes `submission.csv`, with the id and
            the probability of a dog for names such as `test1/17.jpg`.
        unsure_below: Predictions with a lower probability of the predicted class are marked as unsure, 0.5..1;
            None marks none. The figure `coverage_curve` of each approach shows what a value costs and brings.
    """

    source: Annotated[str, Field(min_length=1)] | None
    model: Annotated[str, Field(min_length=1)] | None
    format: Literal["csv", "kaggle"]
    unsure_below: Annotated[float, Field(ge=0.5, le=1)] | None
