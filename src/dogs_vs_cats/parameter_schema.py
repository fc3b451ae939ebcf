"""The one schema that checks all parameters of an environment before anything is loaded or run."""

from collections.abc import Mapping
from copy import deepcopy
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from dogs_vs_cats import approaches
from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.parameters.augmentation import AugmentationParameters
from dogs_vs_cats.parameters.backbone import BackboneParameters
from dogs_vs_cats.parameters.base import ParameterGroup
from dogs_vs_cats.parameters.calibration import CalibrationParameters
from dogs_vs_cats.parameters.comparison import ComparisonParameters
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.explanation import ExplanationParameters
from dogs_vs_cats.parameters.inference import InferenceParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.parameters.storage import StorageParameters
from dogs_vs_cats.parameters.tracking import TrackingParameters
from dogs_vs_cats.parameters.tuning import TuningParameters
from dogs_vs_cats.training.search_space import problems as tuning_problems


class SharedParameters(ParameterGroup):
    """The parameters of every environment, besides one block for each approach that it runs.

    Attributes:
        seed: Seed of everything that is drawn: split, weights, shuffling, augmentation.
        approaches: Names of the approaches that are trained and compared, in the order of the report.
    """

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    approaches: Annotated[list[str], Field(min_length=1)]
    compute: ComputeParameters
    ingestion: IngestionParameters
    augmentation: AugmentationParameters
    backbone: BackboneParameters
    calibration: CalibrationParameters
    comparison: ComparisonParameters
    explanation: ExplanationParameters
    inference: InferenceParameters
    storage: StorageParameters
    tracking: TrackingParameters
    tuning: TuningParameters


def root_schema(parameters: Mapping[str, Any]) -> type[ParameterGroup]:
    """The shared parameters plus an optional block for every approach.

    Args:
        parameters: All parameters of an environment; those of its blocks that name an `approach` are approaches too.
    """
    variants = {name: module for name, module in _modules(parameters).items() if name not in approaches.names()}
    return _schema(tuple(sorted(variants.items())))


def _modules(parameters: Mapping[str, Any]) -> dict[str, str]:
    """For the name of each approach the module that builds it, whether there is one or not."""
    listed = parameters.get("approaches")
    names = {*approaches.names(), *(map(str, listed) if isinstance(listed, list) else ())}
    blocks = {name: block for name, block in parameters.items() if name not in SharedParameters.model_fields}
    names |= {name for name, block in blocks.items() if isinstance(block, Mapping) and "approach" in block}
    return {name: str(approaches.module_name(name, blocks.get(name))) for name in names}


@cache
def _schema(variants: tuple[tuple[str, str], ...]) -> type[ParameterGroup]:
    known = approaches.names()
    modules = {name: name for name in known} | dict(variants)
    # None stands for a block that isn't there; one that is there but empty is refused.
    blocks: dict[str, Any] = {
        name: (approaches.approach_of(module, {}).Parameters if module in known else Any, None)
        for name, module in modules.items()
    }
    return create_model("Parameters", __base__=SharedParameters, **blocks)


def check(parameters: Mapping[str, Any]) -> None:
    """Checks all parameters of an environment.

    Args:
        parameters: The merged `parameters*.yml` of base and environment, runtime parameters included.

    Raises:
        ParameterError: One message with a line for each wrong parameter: its name, what was given and
            what is allowed.
    """
    problems = [_explain(detail, parameters) for detail in _mistakes(parameters)]
    problems += _approach_problems(parameters)
    problems += tuning_problems(parameters)
    if problems:
        count = "1 parameter is" if len(problems) == 1 else f"{len(problems)} parameters are"
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise ParameterError(f"{count} wrong, and nothing was run:\n{lines}")


def _approach_problems(parameters: Mapping[str, Any]) -> list[str]:
    listed = parameters.get("approaches")
    if not isinstance(listed, list):
        return []
    known = approaches.names()
    problems = [
        _unknown_approach(name, parameters.get(name), known)
        for name, module in _modules(parameters).items()
        if module not in known
    ]
    problems += [
        f"{name}: its block of parameters is missing (parameters_{name}.yml)"
        for name in listed
        if name in known and name not in parameters
    ]
    explanation = parameters.get("explanation")
    explained = explanation.get("approach") if isinstance(explanation, Mapping) else None
    if explained is not None and explained not in listed:
        problems.append(
            f"explanation.approach: {explained!r} isn't one of the approaches {', '.join(map(str, listed))}"
        )
    if len(set(map(str, listed))) != len(listed):
        problems.append(f"approaches: {listed} names one twice")
    return problems


def _unknown_approach(name: str, block: Any, known: list[str]) -> str:
    allowed = f"is not an approach; there are {', '.join(known)}"
    keys = {str(key): str(key).lower() for key in block} if isinstance(block, Mapping) else {}
    if "approach" in keys:
        return f"{name}.approach: {block['approach']!r} {allowed}"
    for key, lower in keys.items():
        if get_close_matches(lower, ["approach"]):
            return f"{name}.{_quoted(key)}: there is no such parameter; did you mean approach?"
    return f"{name}: {name!r} {allowed}. A block of another name says which of them it is: approach: from_scratch"


def _quoted(part: str) -> str:
    """Quotes a name that is no identifier: a space at its end would not be seen."""
    return part if part.isalnum() or part.isidentifier() else repr(part)


def _mistakes(parameters: Mapping[str, Any]) -> list[ErrorDetails]:
    """One error for each wrong parameter, with the place it is found at."""
    try:
        root_schema(parameters).model_validate(dict(parameters))
    except ValidationError as error:
        return _without_union_noise(error.errors(), parameters)
    return []


def _without_union_noise(details: list[ErrorDetails], parameters: Mapping[str, Any]) -> list[ErrorDetails]:
    """Keeps one error for each parameter: a union reports one for every type it could have been."""
    known: dict[tuple[str | int, ...], ErrorDetails] = {}
    for detail in details:
        location = _location(detail, parameters)
        if location in known:
            earlier = known[location]
            message = f"{earlier['msg']}, or {detail['msg'][0].lower()}{detail['msg'][1:]}"
            known[location] = {**earlier, "msg": message}
        else:
            known[location] = {**detail, "loc": location}
    return list(known.values())


def _location(detail: ErrorDetails, parameters: Mapping[str, Any]) -> tuple[str | int, ...]:
    """The keys and indices of an error's location, without pydantic's names of union members among them."""
    found: list[str | int] = []
    value: Any = parameters
    for part in detail["loc"]:
        if isinstance(value, Mapping) and (part in value or detail["type"] == "missing"):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        found.append(part)
    return tuple(found)


def _explain(detail: ErrorDetails, parameters: Mapping[str, Any]) -> str:
    name = ".".join(_quoted(str(part)) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        allowed = _names_beside(detail["loc"], root_schema(parameters))
        close = get_close_matches(str(detail["loc"][-1]), allowed, n=1)
        hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(allowed)}"
        return f"{name}: there is no such parameter{hint}"
    if detail["type"] == "missing":
        return f"{name}: is missing; {_allowed(detail['loc'], parameters)}"
    return f"{name}: {_expected(detail)}; given was {detail['input']!r}"


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] == "model_type":
        return "input should be a block of named parameters"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}"


def _allowed(location: tuple[str | int, ...], parameters: Mapping[str, Any]) -> str:
    """The values that a missing parameter could have, taken from the refusal of an impossible value."""
    filled = deepcopy(dict(parameters))
    group: Any = filled
    for part in location[:-1]:
        group = group[part]
    group[location[-1]] = object()
    return next(_expected(detail) for detail in _mistakes(filled) if detail["loc"] == location)


def _names_beside(location: tuple[str | int, ...], schema: type[ParameterGroup]) -> list[str]:
    """Names allowed in the group in which a wrong name was found."""
    group: Any = schema
    for part in location[:-1]:
        if get_origin(group) is dict:
            annotation = get_args(group)[1]
        elif part in group.model_fields:
            annotation = group.model_fields[part].annotation
        else:
            return []
        members = [annotation, *get_args(annotation)]
        group = next(
            (member for member in members if hasattr(member, "model_fields") or get_origin(member) is dict), None
        )
    return sorted(getattr(group, "model_fields", {}))
