"""The values that dvc.yaml takes from the `globals.yml` of an environment, beside its `experiment`."""

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dogs_vs_cats.parameters.ingestion import LABEL_SUFFIXES

RAW_DATA = "data/01_raw"
OWN_PARAMETERS = "parameters.yml"
NO_PARAMETERS = "no_overrides.yml"
"""The file of base that stands for an environment's own parameters: base overrides nothing of itself."""


NO_CORRECTIONS = "conf/base/no_corrections.csv"
"""The file that stands for the corrections of an environment without any, and shows their form."""


def variables(environment: str, ingestion: Mapping[str, Any]) -> dict[str, str]:
    """Returns the block `dvc` of an environment's `globals.yml`.

    Args:
        environment: Its name.
        ingestion: Its parameters of ingestion.

    Returns:
        `raw_data`, on which the first stages depend beside parameters and source code; `corrections`, on which the
        first one depends; and `parameters`, the file in which DVC looks for the environment's own parameters.
    """
    corrections = ingestion.get("corrections")
    return {
        # DVC can't leave a dependency out. A file that is always there takes the place of one that isn't.
        "raw_data": _raw_data(ingestion) or f"conf/{environment}/globals.yml",
        "corrections": corrections if corrections and _is_inside(corrections) else NO_CORRECTIONS,
        "parameters": NO_PARAMETERS if environment == "base" else OWN_PARAMETERS,
    }


def _raw_data(ingestion: Mapping[str, Any]) -> str:
    """The file or folder in the project that holds all images, and their table; empty if there is none."""
    source = ingestion["source"]
    is_table = Path(source).suffix.lower() in LABEL_SUFFIXES
    images = ingestion.get("images") or (str(Path(source).parent) if is_table else source)
    if not is_path(source) or not _is_inside(source):
        return ""
    if all(Path(path).is_relative_to(RAW_DATA) for path in (source, images)):
        return RAW_DATA
    together = posixpath.commonpath([on_disk(source), on_disk(images)]) if _is_inside(images) else ""
    return together or on_disk(source)


def _is_inside(path: str) -> bool:
    """Whether a path names something in the project."""
    return not Path(path).is_absolute() and not {"..", "~"} & set(Path(path).parts)


def is_path(source: str) -> bool:
    """Whether `ingestion.source` names a file or folder; else it is generated or fetched."""
    return source != "sample" and "://" not in source and not source.startswith("keras:")


def on_disk(source: str) -> str:
    """The part of a path up to a zip file, which alone is a file where the source is a folder in it."""
    path = Path(source)
    zips = [parent for parent in path.parents if parent.suffix.lower() == ".zip"]
    return str(zips[-1]) if zips else source
