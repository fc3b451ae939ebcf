"""The one schema that checks all parameters of an environment before anything is loaded or run."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any

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
from dogs_vs_cats.parameters.tracking import TrackingParameters
from dogs_vs_cats.parameters.tuning import TuningParameters
from dogs_vs_cats.parameters.tuning import problems as tuning_problems


class SharedParameters(ParameterGroup):
    """What every environment has, beside one block for each approach it runs.

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
    tracking: TrackingParameters
    tuning: TuningParameters


@cache
def root_schema() -> type[ParameterGroup]:
    """The shared parameters plus an optional block for every approach there is a module of."""
    blocks: dict[str, Any] = {name: (approaches.load(name).Parameters | None, None) for name in approaches.names()}
    return create_model("Parameters", __base__=SharedParameters, **blocks)


def check(parameters: Mapping[str, Any]) -> None:
    """Checks all parameters of an environment.

    Args:
        parameters: The merged `parameters*.yml` of base and environment, runtime parameters included.

    Raises:
        ParameterError: One message with a line for each wrong parameter: its name, what was given and
            what is allowed.
    """
    schema = root_schema()
    problems: list[str] = []
    try:
        schema.model_validate(dict(parameters))
    except ValidationError as error:
        problems = [_explain(detail, schema) for detail in _without_union_noise(error.errors())]
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
    problems = []
    for name in listed:
        if name not in known:
            problems.append(f"approaches: {name!r} is not an approach; there are {', '.join(known)}")
        elif not parameters.get(name):
            problems.append(f"{name}: its block of parameters is missing (parameters_{name}.yml)")
    explained = (parameters.get("explanation") or {}).get("approach")
    if explained is not None and explained not in listed:
        problems.append(
            f"explanation.approach: {explained!r} isn't one of the approaches {', '.join(map(str, listed))}"
        )
    if len(set(map(str, listed))) != len(listed):
        problems.append(f"approaches: {listed} names one twice")
    return problems


def _without_union_noise(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Keeps one error for each parameter: a union reports one for every type it could have been."""
    kept: dict[tuple[str | int, ...], ErrorDetails] = {}
    for detail in details:
        location = tuple(part for part in detail["loc"] if _is_name(part))
        if location in kept:
            earlier = kept[location]
            message = f"{earlier['msg']}, or {detail['msg'][0].lower()}{detail['msg'][1:]}"
            kept[location] = {**earlier, "msg": message}
        else:
            kept[location] = {**detail, "loc": location}
    return list(kept.values())


def _is_name(part: str | int) -> bool:
    """Whether a part of an error's location is a key or an index, not pydantic's name of a union member."""
    if isinstance(part, int):
        return True
    return part.isidentifier() and part not in {"int", "float", "bool", "str", "none", "constrained"}


def _explain(detail: ErrorDetails, schema: type[ParameterGroup]) -> str:
    name = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        allowed = _names_beside(detail["loc"], schema)
        close = get_close_matches(str(detail["loc"][-1]), allowed, n=1)
        hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(allowed)}"
        return f"{name}: there is no such parameter{hint}"
    if detail["type"] == "missing":
        return f"{name}: is missing"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}; given was {detail['input']!r}"


def _names_beside(location: tuple[str | int, ...], schema: type[ParameterGroup]) -> list[str]:
    """Names allowed in the group in which a wrong name was found."""
    group: Any = schema
    for part in location[:-1]:
        field = getattr(group, "model_fields", {}).get(part)
        if field is None:
            return []
        members = [field.annotation, *getattr(field.annotation, "__args__", ())]
        group = next((member for member in members if hasattr(member, "model_fields")), None)
    return sorted(getattr(group, "model_fields", {}))
