"""Parameters of the tracking of runs."""

from typing import Annotated

from pydantic import Field

from dogs_vs_cats.parameters.base import ParameterGroup


class TrackingParameters(ParameterGroup):
    """Whether runs are tracked in MLflow. The environment variable `MLFLOW_TRACKING_URI` says where.

    Attributes:
        enabled: False tracks nothing; `DOGS_VS_CATS_TRACKING=off` in the environment does the same.
        registered_model: The first part of registered models' names; experiment E registers its models as NAME-E. The
            best one gets the alias `champion`. None registers nothing.
    """

    enabled: bool
    registered_model: Annotated[str, Field(min_length=1, pattern="^[^/:]+$")] | None
