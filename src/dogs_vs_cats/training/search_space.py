"""Checks of a search space against the approaches whose parameters it searches."""

from collections.abc import Mapping
from difflib import get_close_matches
from itertools import combinations, product
from typing import Any

from pydantic import ValidationError

from dogs_vs_cats import approaches
from dogs_vs_cats.parameters.base import ParameterGroup
from dogs_vs_cats.parameters.tuning import FIXED, Space, TuningParameters


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
