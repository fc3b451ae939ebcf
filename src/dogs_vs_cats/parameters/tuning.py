"""Parameters of the search for better parameters."""

from collections.abc import Mapping
from difflib import get_close_matches
from itertools import combinations, product
from typing import Annotated, Any, Self

from pydantic import Field, PositiveInt, ValidationError, field_validator, model_validator

from dogs_vs_cats import approaches
from dogs_vs_cats.parameters.base import ParameterGroup

Bounds = Annotated[list[float], Field(min_length=2, max_length=2)]
Value = bool | int | float | str | None

FIXED = {
    "seeds": "a better seed is no better setting",
    "train_on_all": "it leaves no validation images to choose by",
    "pooling": "the features on disk were made with one",
}
"""What of an approach's parameters no search can choose, and why."""


class Space(ParameterGroup):
    """The values a search may give one parameter; exactly one of the three.

    Attributes:
        uniform: Lowest and highest value of a fraction, every one as likely.
        log_uniform: Lowest and highest value, both above 0, every magnitude as likely.
        choices: All values there are to choose from.
    """

    uniform: Bounds | None = None
    log_uniform: Bounds | None = None
    choices: Annotated[list[Value], Field(min_length=2)] | None = None

    @field_validator("uniform", "log_uniform")
    @classmethod
    def _ordered(cls, bounds: list[float] | None) -> list[float] | None:
        if bounds is not None and bounds[0] >= bounds[1]:
            raise ValueError("the first bound must be below the second")
        return bounds

    @field_validator("log_uniform")
    @classmethod
    def _positive(cls, bounds: list[float] | None) -> list[float] | None:
        if bounds is not None and bounds[0] <= 0:
            raise ValueError("both bounds must be above 0")
        return bounds

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(kind is not None for kind in (self.uniform, self.log_uniform, self.choices)) != 1:
            raise ValueError("exactly one of uniform, log_uniform and choices must be given; the others may be null")
        return self

    def extremes(self) -> list[Value]:
        """All choices, or both bounds: what has to be allowed for everything between to be."""
        return list(self.choices or self.uniform or self.log_uniform or [])


class TuningParameters(ParameterGroup):
    """What is searched, and how long.

    Attributes:
        approach: Whose parameters; one of `approaches`.
        trials: Number of trainings, those of an interrupted search included.
        epochs: Epochs of each, instead of the approach's own; None takes those.
        environment: Name of the environment, and of its experiment, that the best values are written to.
        search_space: For each approach the parameters that are searched; None leaves one as it is.
    """

    approach: str
    trials: PositiveInt
    epochs: PositiveInt | None
    environment: Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_-]*$")]
    search_space: dict[str, dict[str, Space | None]]

    @field_validator("environment")
    @classmethod
    def _not_reserved(cls, environment: str) -> str:
        if environment in ("base", "local"):
            raise ValueError("it must be an environment of its own, not base or local")
        return environment

    def searched(self) -> dict[str, Space]:
        """The parameters that are searched, in the order of their names."""
        spaces = self.search_space.get(self.approach, {})
        return {name: space for name in sorted(spaces) if (space := spaces[name]) is not None}


def problems(parameters: Mapping[str, Any]) -> list[str]:
    """Holds the search against the approaches it is about.

    Args:
        parameters: All parameters of an environment.

    Returns:
        A line for each thing that is wrong; none where the block itself is, which the schema tells.
    """
    try:
        tuning = TuningParameters.model_validate(parameters.get("tuning"))
    except ValidationError:
        return []
    known = approaches.names()
    found = []
    if tuning.approach not in known:
        found.append(f"tuning.approach: {tuning.approach!r} is not an approach; there are {', '.join(known)}")
    for approach, spaces in tuning.search_space.items():
        where = f"tuning.search_space.{approach}"
        if approach not in known:
            found.append(f"{where}: there is no such approach; there are {', '.join(known)}")
            continue
        searched = {name: space for name, space in spaces.items() if space is not None}
        for name, space in searched.items():
            found += [f"{where}.{name}: {problem}" for problem in _space_problems(approach, name, space, parameters)]
        if not any(problem.startswith(f"{where}.") for problem in found):
            found += [f"{where}: {problem}" for problem in _pair_problems(approach, searched, parameters)]
    return found


def _space_problems(approach: str, name: str, space: Space, parameters: Mapping[str, Any]) -> list[str]:
    schema = approaches.load(approach).Parameters
    if name in FIXED:
        return [f"can't be searched: {FIXED[name]}"]
    if name not in schema.model_fields:
        close = get_close_matches(name, schema.model_fields, n=1)
        names = sorted(schema.model_fields.keys() - FIXED.keys())
        return [
            f"{approach} has no such parameter; "
            + (f"did you mean {close[0]}?" if close else f"it has {', '.join(names)}")
        ]
    block = parameters.get(approach)
    if not isinstance(block, Mapping) or _refusal(schema, block):
        return []
    return [
        f"{refusal[0].lower()}{refusal[1:]}; given was {value!r}"
        for value in space.extremes()
        if (refusal := _refusal(schema, {**block, name: value}))
    ]


def _pair_problems(approach: str, searched: Mapping[str, Space], parameters: Mapping[str, Any]) -> list[str]:
    """Values that are allowed each, but not together: a network without dropout, and a dropout."""
    schema = approaches.load(approach).Parameters
    block = parameters.get(approach)
    if not isinstance(block, Mapping) or _refusal(schema, block):
        return []
    return [
        f"{refusal[0].lower()}{refusal[1:]}; a trial could have {first}={value!r} and {second}={other!r}"
        for first, second in combinations(searched, 2)
        for value, other in product(searched[first].extremes(), searched[second].extremes())
        if (refusal := _refusal(schema, {**block, first: value, second: other}))
    ]


def _refusal(schema: type[ParameterGroup], block: Mapping[str, Any]) -> str:
    """What is wrong with a block of parameters; empty if nothing is."""
    try:
        schema.model_validate(dict(block))
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return ""
