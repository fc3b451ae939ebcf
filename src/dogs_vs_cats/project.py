"""Where the project lies, whatever folder a command is started from, and how its environments are merged."""

import os
from pathlib import Path

VARIABLE = "DOGS_VS_CATS_PROJECT"
"""Names the project's folder; `python -m dogs_vs_cats --project-path` sets it, also for the processes of a run."""

MERGE_STRATEGY = {"parameters": "soft", "globals": "soft"}
"""An environment changes single parameters of base; otherwise it would have to repeat whole blocks."""


def _root() -> Path:
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).resolve()
    checkout = Path(__file__).resolve().parents[2]
    # Installed from a wheel, the package lies in no checkout.
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


ROOT = _root()
"""The project's root: the folder of `conf` and `data`."""


def resolve(path: str, root: Path = ROOT) -> Path:
    """Makes a path from a parameter absolute; it is relative to the project's root unless it is so already."""
    return root / os.path.expanduser(path)  # noqa: PTH111 (Path.expanduser fails for unknown users)


def child_environment() -> dict[str, str]:
    """Returns the variables of a new process that imports this package, installed or not."""
    source = str(Path(__file__).resolve().parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
