"""Parameters of the tracking of runs."""

from typing import Annotated

from pydantic import Field

from dogs_vs_cats.parameters.base import ParameterGroup


class TrackingParameters(ParameterGroup):
    """Whether runs are tracked in MLflow. Where is the environment's: `MLFLOW_TRACKING_URI` names a server.

    Attributes:
        enabled: False tracks nothing; so does `DOGS_VS_CATS_TRACKING=off` in the environment.
        registered_model: What the names of registered models begin with: that of experiment E is NAME-E. Its alias
            `champion` goes to the best approach. None registers nothing.
    """

    enabled: bool
    registered_model: Annotated[str, Field(min_length=1, pattern="^[^/:]+$")] | None
