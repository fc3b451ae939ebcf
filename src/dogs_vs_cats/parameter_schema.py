"""The one schema that checks all parameters of an environment before anything is loaded or run."""

from collections import defaultdict
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, create_model, field_validator, model_validator
from pydantic_core import ErrorDetails

from dogs_vs_cats import approaches
from dogs_vs_cats.errors import ParameterError, quantity
from dogs_vs_cats.images.splits import SPLITS, TRAIN, VALIDATION
from dogs_vs_cats.parameters.augmentation import AugmentationParameters
from dogs_vs_cats.parameters.backbone import BackboneParameters
from dogs_vs_cats.parameters.base import MISSING, Distinct, ParameterGroup, explain
from dogs_vs_cats.parameters.comparison import ComparisonParameters
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.explanation import ExplanationParameters
from dogs_vs_cats.parameters.export import ExportParameters
from dogs_vs_cats.parameters.inference import InferenceParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.parameters.storage import StorageParameters
from dogs_vs_cats.parameters.tracking import TrackingParameters
from dogs_vs_cats.parameters.training import CalibrationParameters
from dogs_vs_cats.parameters.tuning import TuningParameters
from dogs_vs_cats.training.search_space import problems as tuning_problems

_ROUNDING = 1e-9


class SharedParameters(ParameterGroup):
    """The parameters of every environment, besides one block for each approach that it runs.

    Attributes:
        seed: Seed of everything that is drawn: split, weights, shuffling, augmentation.
        approaches: Names of the approaches that are trained and compared, in the order of the report.
    """

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    approaches: Annotated[Distinct[Annotated[str, Field(pattern=r"^[\w-]+$")]], Field(min_length=1)]
    compute: ComputeParameters
    ingestion: IngestionParameters
    augmentation: AugmentationParameters
    backbone: BackboneParameters
    calibration: CalibrationParameters
    comparison: ComparisonParameters
    explanation: ExplanationParameters
    export: ExportParameters
    inference: InferenceParameters
    storage: StorageParameters
    tracking: TrackingParameters
    tuning: TuningParameters

    @field_validator("approaches")
    @classmethod
    def _have_blocks_of_their_own(cls, names: list[str]) -> list[str]:
        if groups := [name for name in names if name in SharedParameters.model_fields]:
            raise ValueError(f"{groups[0]} has a meaning of its own, so an approach needs another name")
        return names


def _known(approach: object) -> object:
    if approach not in approaches.names():
        raise ValueError(f"it should be one of the approaches {', '.join(approaches.names())}")
    return approach


class _Variant(ParameterGroup):
    """A block whose approach isn't known: its other parameters can't be checked before its `approach` is right."""

    approach: Annotated[Any, BeforeValidator(_known)]

    @model_validator(mode="before")
    @classmethod
    def _approach_alone(cls, block: Any) -> Any:
        named = block if isinstance(block, Mapping) else {}
        return {name: value for name, value in named.items() if get_close_matches(str(name).lower(), ["approach"])}


def root_schema(parameters: Mapping[str, Any]) -> type[ParameterGroup]:
    """The shared parameters plus a block for every approach.

    Args:
        parameters: All parameters of an environment. An approach is a module of `approaches`, a block that names one
            as its `approach`, or one that the parameter `approaches` lists; the blocks of these are required.
    """
    listed = parameters.get("approaches")
    required = listed if isinstance(listed, list) else []
    variants = [name for name, block in parameters.items() if isinstance(block, Mapping) and "approach" in block]
    names = {name for name in (*approaches.names(), *required, *variants) if isinstance(name, str)}
    blocks: dict[str, Any] = {}
    for name in sorted(names - SharedParameters.model_fields.keys()):
        module = approaches.module_name(name, parameters.get(name))
        schema = approaches.approach_of(module, {}).Parameters if module in approaches.names() else _Variant
        blocks[name] = (schema, ... if name in required else None)
    return create_model("Parameters", __base__=SharedParameters, **blocks)


def check(parameters: Mapping[str, Any]) -> None:
    """Checks all parameters of an environment.

    Args:
        parameters: The merged `parameters*.yml` of base and environment, runtime parameters included.

    Raises:
        ParameterError: One message with a line for each wrong parameter: its name, what was given and what is
            allowed. Whether parameters contradict each other is checked once each is right by itself.
    """
    try:
        problems = _contradictions(root_schema(parameters).model_validate(dict(parameters)))
        problems += tuning_problems(parameters)
    except ValidationError as error:
        # A union reports an error for every type that it could have been.
        found: dict[tuple[str | int, ...], list[ErrorDetails]] = defaultdict(list)
        for detail in error.errors():
            found[_location(detail, parameters)].append(detail)
        problems = [explain(location, details) for location, details in found.items()]
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        subject = quantity(len(problems), "parameter is", "parameters are")
        raise ParameterError(f"{subject} wrong, and nothing was run:\n{lines}")


def _contradictions(parameters: Any) -> list[str]:
    blocks = {name: getattr(parameters, name) for name in parameters.approaches}
    modules = {name: approaches.approach_of(block.approach or name, None) for name, block in blocks.items()}
    problems = []
    if parameters.explanation.approach not in (None, *blocks):
        problems.append(
            f"explanation.approach: {parameters.explanation.approach!r} isn't one of the approaches {', '.join(blocks)}"
        )
    unknown = sorted((parameters.comparison.lecture or {}).keys() - type(parameters).model_fields.keys())
    problems += [f"comparison.lecture: there is no approach {name!r}" for name in unknown]
    for name, block in blocks.items():
        if modules[name].TRAINS_ON == "images" and parameters.compute.images_on_device is True:
            problems += _worked_on_by_the_host(name, block, parameters.augmentation)
        extracted = getattr(parameters.transfer_bottleneck, "pooling", None)
        if getattr(block, "pooling", extracted) != extracted:
            problems.append(
                f"{name}.pooling: {block.pooling!r} differs from transfer_bottleneck.pooling, which all features are "
                f"extracted with: set it to {extracted!r}"
            )
    if isinstance(parameters.ingestion.folds, int) and not any(it.TRAINS_ON == "features" for it in modules.values()):
        problems.append(
            f"ingestion.folds: {parameters.ingestion.folds} cross-validates feature-based approaches alone, and "
            f"approaches ({', '.join(blocks)}) has none; set it to null and give an approach several seeds with "
            "redraw_split: true, or add transfer_bottleneck to approaches"
        )
    return [*problems, *_more_than_all(parameters.ingestion)]


def _worked_on_by_the_host(name: str, block: Any, augmentation: AugmentationParameters) -> list[str]:
    """Training images that can't stay on the device, because each batch is mixed or augmented on the host."""
    problem = "on the host, but compute.images_on_device: true keeps the images on the GPU; set it to auto, or"
    mixed = [option for option in ("mixup", "cutmix") if getattr(block, option)]
    if mixed:
        return [f"{name}.{mixed[0]}: mixes {problem} {' and '.join(f'{name}.{option}' for option in mixed)} to 0"]
    if block.augment and augmentation.engine in ("keras", "warp"):
        return [f"{name}.augment: engine {augmentation.engine} works {problem} augmentation.engine to device"]
    return []


def _more_than_all(ingestion: IngestionParameters) -> list[str]:
    """Fractions of the same images that are more than all of them."""
    together = SPLITS if ingestion.split == "random" else (TRAIN, VALIDATION)  # else test has a part of its own
    fractions = {name: size for name in together if isinstance(size := ingestion.sizes[name], float)}
    if sum(fractions.values()) <= 1 + _ROUNDING:
        return []
    names = ", ".join(f"ingestion.{name}_size" for name in fractions)
    total = " + ".join(map(str, fractions.values()))
    return [f"{names}: {total} is more than 1, the whole of the images; lower one of them, or give counts"]


def _location(detail: ErrorDetails, parameters: Mapping[str, Any]) -> tuple[str | int, ...]:
    """The keys and indices of an error's location, without pydantic's names of union members among them."""
    found: list[str | int] = []
    value: Any = parameters
    for part in detail["loc"]:
        if isinstance(value, Mapping) and (part in value or detail["input"] is MISSING):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        found.append(part)
    return tuple(found)
