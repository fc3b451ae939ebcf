"""What dvc.yaml is filled in with for an environment, beside the experiment that Kedro's `globals.yml` names."""

from pathlib import Path

import yaml

VARIABLES = "dvc_vars.yml"
"""The file of them, in the environment's folder."""

RAW_DATA = "data/01_raw"


def variables(environment: str, source: str) -> str:
    """Writes an environment's `dvc_vars.yml`.

    Args:
        environment: Its name.
        source: Its `ingestion.source`.

    Returns:
        The file's text: `raw_data`, what the first stages depend on beside parameters and source files, and
        `base_folder`, the way to base's parameter files.
    """
    # A dependency can't be left out, so where there is no file of images, this file itself takes its place.
    raw_data = f"conf/{environment}/{VARIABLES}"
    if is_path(source) and covers(RAW_DATA, source):
        raw_data = RAW_DATA
    elif is_path(source) and not Path(source).is_absolute() and ".." not in Path(source).parts and source[0] != "~":
        raw_data = on_disk(source)
    content = {"raw_data": raw_data, "base_folder": "" if environment == "base" else "../base/"}
    return f"# Written by `kedro dvc sync` for dvc.yaml.\n{yaml.safe_dump(content, sort_keys=False)}"


def is_path(source: str) -> bool:
    """Whether `ingestion.source` names a file or folder; else it is generated or fetched."""
    return source != "sample" and "://" not in source and not source.startswith("keras:")


def on_disk(source: str) -> str:
    """The part of a path up to a zip file, which alone is a file where the source is a folder in it."""
    path = Path(source)
    zips = [parent for parent in path.parents if parent.suffix.lower() == ".zip"]
    return str(zips[-1]) if zips else source


def covers(raw_data: str, source: str) -> bool:
    """Whether a source is the raw data that DVC watches, or lies in it; both are relative to the project root."""
    return Path(source).is_relative_to(raw_data)
