"""`dvc.lock.json`: the machine that `dvc.lock` was made on, and the metrics of its results.

A comment in `dvc.lock` survives when DVC rewrites the rest, so that it would soon name another machine than the one
that the hashes are from. This file names the version of `dvc.lock` that it belongs to.
"""

import json
from pathlib import Path
from typing import Any, TypedDict

from dogs_vs_cats.dvc_sync.locked_stages import LOCK
from dogs_vs_cats.provenance.code import git
from dogs_vs_cats.provenance.machine import Machine

FILE = "dvc.lock.json"


class LockRecord(TypedDict):
    """The content of the file.

    Attributes:
        dvc_lock: Git's hash of the `dvc.lock` that it belongs to.
        processors: Those that made the same bytes, by family and model.
        machine: The machine that made the results.
        versions: The versions of the packages that it made them with.
        metrics: The content of each file of metrics. `dvc.lock` has only its hash.
    """

    dvc_lock: str
    processors: list[str]
    machine: Machine
    versions: dict[str, str]
    metrics: dict[str, Any]


def read(root: Path, commit: str) -> LockRecord | None:
    """Reads the record of a commit's `dvc.lock`.

    Returns:
        The record; None where the commit has none, one of another `dvc.lock`, or one that can't be read, for instance
        after a merge conflict.
    """
    try:
        record: LockRecord = json.loads(git("show", f"{commit}:{FILE}", root=root))
        return record if record["dvc_lock"] == git("rev-parse", f"{commit}:{LOCK}", root=root) else None
    except (ValueError, TypeError, KeyError):
        return None
