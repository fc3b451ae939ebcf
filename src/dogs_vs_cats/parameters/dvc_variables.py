"""The values that dvc.yaml takes from the `globals.yml` of an environment, beside its `experiment`."""

from pathlib import Path

RAW_DATA = "data/01_raw"
OWN_PARAMETERS = "parameters.yml"
NO_PARAMETERS = "no_overrides.yml"
"""The file of base that stands for an environment's own parameters: base overrides nothing of itself."""


def variables(environment: str, source: str) -> dict[str, str]:
    """Returns the block `dvc` of an environment's `globals.yml`.

    Args:
        environment: Its name.
        source: Its `ingestion.source`.

    Returns:
        `raw_data`, on which the first stages depend beside parameters and source code, and `parameters`, the file in
        which DVC looks for the environment's own parameters.
    """
    path = Path(source)
    if is_path(source) and not path.is_absolute() and not {"..", "~"} & set(path.parts):
        raw_data = RAW_DATA if path.is_relative_to(RAW_DATA) else on_disk(source)
    else:
        # DVC can't leave a dependency out. This file takes the place of one that isn't there.
        raw_data = f"conf/{environment}/globals.yml"
    return {"raw_data": raw_data, "parameters": NO_PARAMETERS if environment == "base" else OWN_PARAMETERS}


def is_path(source: str) -> bool:
    """Whether `ingestion.source` names a file or folder; else it is generated or fetched."""
    return source != "sample" and "://" not in source and not source.startswith("keras:")


def on_disk(source: str) -> str:
    """The part of a path up to a zip file, which alone is a file where the source is a folder in it."""
    path = Path(source)
    zips = [parent for parent in path.parents if parent.suffix.lower() == ".zip"]
    return str(zips[-1]) if zips else source
