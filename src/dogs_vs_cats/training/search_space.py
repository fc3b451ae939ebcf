"""Checks of a search space against the approaches whose parameters it searches."""

from collections.abc import Mapping
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
    named = {"tuning.approach": tuning.approach} | {f"tuning.search_space.{name}": name for name in tuning.search_space}
    found = [
        f"{where}: {name!r} is not an approach; there are {', '.join(sorted(known))}"
        for where, name in named.items()
        if name not in known
    ]
    for approach in known:
        wrong = _problems(approach, parameters[approach], tuning.spaces(approach))
        found += [f"tuning.search_space.{approach}.{problem}" for problem in wrong]
    return found


def _problems(approach: str, block: Mapping[str, Any], spaces: Mapping[str, Space]) -> list[str]:
    schema = approaches.approach_of(approach, block).Parameters
    found = [f"{name}: {problem}" for name in spaces if (problem := _wrong_name(approach, name, schema))]
    for count in (1, 2):
        # Values can be allowed each but not together: a network without dropout, and a dropout.
        if found:
            return found
        tried = [
            dict(zip(names, values, strict=True))
            for names in combinations(spaces, count)
            for values in product(*(spaces[name].extremes() for name in names))
        ]
        found = [
            f"{' and '.join(values)}: {problem}; given was {' and '.join(map(repr, values.values()))}"
            for values in tried
            if (problem := _refusal(schema, {**block, **values}))
        ]
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


def _refusal(schema: type[ParameterGroup], block: Mapping[str, Any]) -> str:
    """Says why a block of parameters is refused; empty if it isn't."""
    try:
        schema.model_validate(block)
    except ValidationError as error:
        return refusal(error.errors()[0])
    return ""
