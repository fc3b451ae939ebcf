"""Parameters of the look at the data."""

from typing import Annotated

from pydantic import Field

from dogs_vs_cats.parameters.base import ParameterGroup


class DataQualityParameters(ParameterGroup):
    """What the page about the data shows.

    Attributes:
        examples: Photos of a gallery at most. The table `label_issues.csv` has all.
    """

    examples: Annotated[int, Field(ge=1, le=500)]
