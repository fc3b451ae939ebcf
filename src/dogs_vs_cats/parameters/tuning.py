"""Parameters of the search for better parameters."""

from typing import Annotated, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from dogs_vs_cats.parameters.base import ParameterGroup

Value = bool | int | float | str | None

FIXED = {
    "approach": "a search is about the parameters of one approach",
    "seeds": "a better seed is no better setting",
    "redraw_split": "another split is no better setting",
    "train_on_all": "it leaves no validation images to choose by",
    "pooling": "the features on disk were made with one",
    "average_flips": "trials are validated on images as they are",
}
"""Parameters of an approach that no search can choose, and why."""

_TWO = Field(min_length=2, max_length=2)


class Space(ParameterGroup):
    """The values a search may give one parameter; exactly one of the three.

    Attributes:
        uniform: Lowest and highest value of a fraction, every one as likely.
        log_uniform: Lowest and highest value, both above 0, every magnitude as likely.
        choices: All values there are to choose from.
    """

    uniform: Annotated[list[float], _TWO] | None = None
    log_uniform: Annotated[list[PositiveFloat], _TWO] | None = None
    choices: Annotated[list[Value], Field(min_length=2)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        bounds = self.uniform or self.log_uniform
        if sum(kind is not None for kind in (self.uniform, self.log_uniform, self.choices)) != 1:
            raise ValueError("exactly one of uniform, log_uniform and choices must be given; the others may be null")
        if bounds and bounds[0] >= bounds[1]:
            raise ValueError("the first bound must be below the second")
        return self

    def extremes(self) -> list[Value]:
        """All choices, or both bounds: if they are allowed, so is everything between."""
        return list(self.choices or self.uniform or self.log_uniform or [])

    def contains(self, value: Value) -> bool:
        """Whether a search may give this value."""
        if self.choices is not None:
            return value in self.choices
        low, high = self.uniform or self.log_uniform or []
        return isinstance(value, int | float) and low <= value <= high


class TuningParameters(ParameterGroup):
    """The parameters to search, and for how long.

    Attributes:
        approach: Whose parameters; one of `approaches`.
        trials: Number of trainings, those of an interrupted search included.
        trials_at_once: Trials of a round, which don't know of each other's results and are trained at the same time on
            a cluster. Another number is another search.
        epochs: Epochs of each, instead of the approach's own `epochs`; None takes those, as a head without them must.
        environment: Name of the environment, and of its experiment, that the best values are written to.
        search_space: For each approach the parameters that are searched; None leaves one as it is.
    """

    approach: str
    trials: PositiveInt
    trials_at_once: PositiveInt
    epochs: PositiveInt | None
    environment: Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_-]*$")]
    search_space: dict[str, dict[str, Space | None]]

    @field_validator("environment")
    @classmethod
    def _not_reserved(cls, environment: str) -> str:
        if environment in ("base", "local"):
            raise ValueError("it must be an environment of its own, not base or local")
        return environment

    def spaces(self, approach: str) -> dict[str, Space]:
        """The parameters of an approach that are searched, in the order of their names."""
        spaces = self.search_space.get(approach, {})
        return {name: space for name in sorted(spaces) if (space := spaces[name]) is not None}
