"""Checks of a search space against the approaches whose parameters it searches."""

from collections.abc import Mapping
from itertools import combinations, product
from typing import Any

from pydantic import ValidationError

from dogs_vs_cats import approaches
from dogs_vs_cats.parameters.base import explain, written
from dogs_vs_cats.parameters.tuning import FIXED, Space, TuningParameters, Value


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
        if spaces := tuning.spaces(approach):  # explanation and tuning name an approach, too
            epochs = tuning.epochs if approach == tuning.approach else None
            found += _problems(approach, parameters[approach], spaces, epochs)
    return list(dict.fromkeys(found))


def _problems(approach: str, block: Mapping[str, Any], spaces: Mapping[str, Space], epochs: int | None) -> list[str]:
    """Checks the search space of one approach, whose trials have a number of epochs of their own if `epochs` is set."""
    where = f"tuning.search_space.{approach}"
    if fixed := [f"{where}.{name}: can't be searched: {FIXED[name]}" for name in spaces if name in FIXED]:
        return fixed
    if epochs is not None and "epochs" in spaces:
        return [f"tuning.epochs: must be null where {where} searches epochs; given was {epochs}"]
    block = block if epochs is None else {**block, "epochs": epochs}
    # Values can be allowed each but not together: a network without dropout, and a dropout.
    for count in range(4):
        tried = (
            dict(zip(names, values, strict=True))
            for names in combinations(spaces, count)
            for values in product(*(spaces[name].extremes() for name in names))
        )
        if refused := list(filter(None, (_refusal(approach, block, values) for values in tried))):
            return refused
    return []


def _refusal(approach: str, block: Mapping[str, Any], tried: Mapping[str, Value]) -> str:
    """Says why a block isn't allowed with some values; empty if it is."""
    try:
        approaches.approach_of(approach, block).Parameters.model_validate({**block, **tried})
    except ValidationError as error:
        details = error.errors()
        location = details[0]["loc"][:1]
        if not tried:
            return f"tuning.epochs: {block['epochs']} contradicts {explain((approach, *location), details)}"
        others = "".join(f", {name}={written(value)}" for name, value in tried.items() if name not in location)
        return explain(("tuning", "search_space", approach, *location), details) + others
    return ""
