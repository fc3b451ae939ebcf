"""Reading `provenance.json`, which may be damaged or edited by hand."""

import json
import logging
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dogs_vs_cats.datasets.formats import JSONDataset

logger = logging.getLogger(__name__)


class _Code(BaseModel):
    commit: str
    dirty_files: list[str]


class _Machine(BaseModel):
    processor: str
    cores: int
    instruction_set: str
    gpus: list[str]


class _Compute(BaseModel):
    threads: int | None
    instruction_set: str


class _Run(BaseModel):
    """The facts of a run that are read one by one; all others may be missing."""

    results: dict[str, str]
    seed: int
    code: _Code
    machine: _Machine
    backend: str
    compute: _Compute
    versions: dict[str, str]


class _Manifest(BaseModel):
    runs: list[_Run]


def read(path: Path) -> dict[str, Any]:
    """Reads a manifest.

    Returns:
        The manifest; empty without a file. A file that isn't a manifest of this version counts as empty too, and a
        warning names it.
    """
    if not path.is_file():
        return {}
    content = path.read_bytes()
    try:
        _Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        _warn(path, f"{where}: {first['msg']}" if where else first["msg"])
        return {}
    return dict(json.loads(content))


@cache  # A run reads the manifest before its first node and after each result.
def _warn(path: Path, problem: str) -> None:
    logger.warning("%s is no manifest of this version and is ignored (%s). The next result replaces it", path, problem)


class ManifestDataset(JSONDataset):
    """The manifest of an experiment, see `read`."""

    def _read(self) -> dict[str, Any]:
        return read(self._filepath)
