"""The base class of all groups of parameters, and the words for their values and for refused ones."""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator
from pydantic_core import ErrorDetails

Item = TypeVar("Item")

MISSING = object()
"""Stands for a required parameter that isn't there. Every type refuses it, and so says what is allowed."""

CONTRADICTION = "contradiction"
"""Type of an error about several parameters of a group, which its message names; the whole group isn't shown."""


class ParameterGroup(BaseModel):
    """One top-level block of `parameters*.yml`: immutable, and strict about names and types.

    A misspelt name is an error; numbers are finite, and are not made of strings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _prepare_refusals(cls, block: Any) -> Any:
        """Lets an error carry what its message needs: `MISSING`, or all names in place of an unknown name's value."""
        if not isinstance(block, Mapping):
            return block
        missing = {name: MISSING for name, field in cls.model_fields.items() if field.is_required()}
        unknown = {name: sorted(cls.model_fields) for name in block.keys() - cls.model_fields.keys()}
        return {**missing, **block, **unknown}


def refusal(error: ErrorDetails) -> str:
    """Says why a value is refused, as the part of a sentence."""
    if error["type"] == "model_type":
        return "input should be a block of named parameters"
    message = error["msg"].removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}"


def explain(location: tuple[str | int, ...], details: list[ErrorDetails]) -> str:
    """Says what is wrong with a parameter, what is allowed and what was given.

    Args:
        location: The keys and indices that lead to it.
        details: One error, or one for every type that the parameter could have been.
    """
    # Quotes show what is no identifier: a space at its end would not be seen.
    name = ".".join(part if part.isalnum() or part.isidentifier() else repr(part) for part in map(str, location))
    given = details[0]["input"]
    if details[0]["type"] == "extra_forbidden":
        close = get_close_matches(str(location[-1]), given, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(given)}"
        return f"{name}: there is no such parameter; {hint}"
    allowed = ", or ".join(map(refusal, details))
    if details[0]["type"] == CONTRADICTION:
        return f"{name}: {allowed}"
    return f"{name}: is missing; {allowed}" if given is MISSING else f"{name}: {allowed}; given was {given!r}"


def _distinct(items: list[Item]) -> list[Item]:
    if len(set(items)) != len(items):
        raise ValueError("its items must differ from each other")
    return items


Distinct = Annotated[list[Item], AfterValidator(_distinct)]
"""A list in which nothing is twice."""


def flat(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields nested values by their dotted names; an empty block is a value too."""
    for name, value in nested.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def written(value: Any) -> str:
    """Writes a value as a parameter file does, numbers to six digits."""
    if isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)
