"""Checks of a search space against the approaches whose parameters it searches."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import combinations, product
from typing import Any

from pydantic import ValidationError

from dogs_vs_cats import approaches
from dogs_vs_cats.parameters.base import ParameterGroup, refusal
from dogs_vs_cats.parameters.tuning import FIXED, Space, TuningParameters


def problems(parameters: Mapping[str, Any]) -> list[str]:
    """Checks a search against the approaches it is about.

    Args:
        parameters: All parameters of an environment, each right by itself.

    Returns:
        A line for each mistake.
    """
    tuning = TuningParameters.model_validate(parameters["tuning"])
    known = [name for name, block in parameters.items() if approaches.module_name(name, block) in approaches.names()]
    found = []
    if tuning.approach not in known:
        found.append(f"tuning.approach: {tuning.approach!r} is not an approach; there are {', '.join(sorted(known))}")
    for approach, spaces in tuning.search_space.items():
        where = f"tuning.search_space.{approach}"
        if approach not in known:
            found.append(f"{where}: there is no such approach; there are {', '.join(sorted(known))}")
            continue
        block = parameters[approach]
        schema = approaches.approach_of(approach, block).Parameters
        searched = {name: space for name, space in spaces.items() if space is not None}
        wrong = [f"{where}.{name}: {problem}" for name in searched if (problem := _wrong_name(approach, name, schema))]
        if not wrong:
            wrong = [f"{where}.{problem}" for problem in _wrong_values(schema, block, searched)]
            wrong = wrong or [f"{where}: {problem}" for problem in _wrong_pairs(schema, block, searched)]
        found += wrong
    return found


def _wrong_name(approach: str, name: str, schema: type[ParameterGroup]) -> str:
    if name in FIXED:
        return f"can't be searched: {FIXED[name]}"
    if name in schema.model_fields:
        return ""
    close = get_close_matches(name, schema.model_fields, n=1)
    names = sorted(schema.model_fields.keys() - FIXED.keys())
    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(names)}"
    return f"{approach} has no such parameter; {hint}"


def _wrong_values(
    schema: type[ParameterGroup], block: Mapping[str, Any], searched: Mapping[str, Space]
) -> Iterable[str]:
    for name, space in searched.items():
        for value in space.extremes():
            if refusal := _refusal(schema, {**block, name: value}):
                yield f"{name}: {refusal}; given was {value!r}"


def _wrong_pairs(
    schema: type[ParameterGroup], block: Mapping[str, Any], searched: Mapping[str, Space]
) -> Iterable[str]:
    """Values that are allowed each, but not together: a network without dropout, and a dropout."""
    for first, second in combinations(searched, 2):
        for value, other in product(searched[first].extremes(), searched[second].extremes()):
            if refusal := _refusal(schema, {**block, first: value, second: other}):
                yield f"{refusal}; a trial could have {first}={value!r} and {second}={other!r}"


def _refusal(schema: type[ParameterGroup], block: Mapping[str, Any]) -> str:
    """What is wrong with a block of parameters; empty if nothing is."""
    try:
        schema.model_validate(dict(block))
    except ValidationError as error:
        return refusal(error.errors()[0])
    return ""
