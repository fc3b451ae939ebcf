"""Checks of a search space against the approaches whose parameters it searches."""

from collections.abc import Mapping
from itertools import combinations, product
from typing import Any

from pydantic import ValidationError

from dogs_vs_cats import approaches
from dogs_vs_cats.parameters.base import explain
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
        block = parameters[approach]
        if spaces := tuning.spaces(approach):  # explanation and tuning name an approach, too
            found += _problems(approach, {**block, "epochs": tuning.epochs or block["epochs"]}, spaces)
    return found


def _problems(approach: str, block: Mapping[str, Any], spaces: Mapping[str, Space]) -> list[str]:
    schema, where = approaches.approach_of(approach, block).Parameters, ("tuning", "search_space", approach)
    found = [f"{'.'.join(where)}.{name}: can't be searched: {FIXED[name]}" for name in spaces if name in FIXED]
    for count in (1, 2):
        # Values can be allowed each but not together: a network without dropout, and a dropout.
        if found:
            break
        for names in combinations(spaces, count):
            for values in product(*(spaces[name].extremes() for name in names)):
                try:
                    schema.model_validate({**block, **dict(zip(names, values, strict=True))})
                except ValidationError as error:
                    details = error.errors()
                    found.append(explain((*where, *details[0]["loc"][:1]), details))
    return found
