"""Where the project lies, whatever folder a command is started from."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project's root: the folder of `pyproject.toml`, `conf` and `data`."""


def resolve(path: str) -> Path:
    """Makes a path from a parameter absolute; relative ones count from the project's root."""
    return ROOT / Path(path).expanduser()
