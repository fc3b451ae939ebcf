"""A reproduction of all stages in a temporary folder, and the `dvc.lock` that is written from it."""

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dogs_vs_cats.dvc_sync import lock_record
from dogs_vs_cats.dvc_sync.lock_record import FILE, LockRecord
from dogs_vs_cats.dvc_sync.locked_stages import LOCK
from dogs_vs_cats.dvc_sync.output_differences import is_metrics
from dogs_vs_cats.dvc_sync.results import Results, at_commit
from dogs_vs_cats.errors import ReproductionError
from dogs_vs_cats.provenance.code import git, new_files
from dogs_vs_cats.provenance.machine import describe_machine, versions
from dogs_vs_cats.provenance.manifest import Facts
from dogs_vs_cats.storage.atomic import replace_atomically


def this_machine() -> Facts:
    """The facts of a run that starts now, without its code and parameters."""
    return {"machine": describe_machine(), "versions": versions()}


@contextmanager
def reproduced(root: Path) -> Iterator[Results]:
    """Reproduces the working tree, its uncommitted changes included, in a temporary folder of DVC's.

    It is an experiment of DVC's, which is removed afterwards. Its outputs stay in DVC's cache.

    Args:
        root: The project's root.

    Yields:
        The results. No cache of the working tree is used, neither DVC's nor that of decoded images.

    Raises:
        ReproductionError: A stage failed.
    """
    name = f"verify-{uuid.uuid4().hex[:8]}"
    # DVC leaves files out that git doesn't know. It copies none into a folder that isn't there, but a whole new folder,
    # with what git ignores in it.
    new = new_files("--directory", "--no-empty-directory", root=root)
    copied = [option for path in new for option in ("--copy-paths", path.rstrip("/"))]
    _run_dvc(root, "exp", "run", "--temp", "--force", "--name", name, *copied)
    try:
        yield at_commit(root, name, [this_machine()])
    finally:
        _run_dvc(root, "exp", "remove", "--quiet", name)


def write_lock(results: Results) -> LockRecord:
    """Writes the `dvc.lock` of some results into the working tree, and the record beside it.

    Args:
        results: The results of a reproduction, with the run that made all of them.
    """
    root, commit = results.root, results.commit
    (run,) = results.runs
    record: LockRecord = {
        "dvc_lock": git("rev-parse", f"{commit}:{LOCK}", root=root),
        "processors": sorted({*_earlier_processors(results), run["machine"]["processor"]}),
        "machine": run["machine"],
        "versions": run["versions"],
        "metrics": dict(_metrics(results)),
    }
    for name, text in {LOCK: git("show", f"{commit}:{LOCK}", root=root), FILE: json.dumps(record, indent=2)}.items():
        with replace_atomically(root / name) as partial:
            partial.write_text(f"{text}\n", encoding="utf-8")
    return record


def _earlier_processors(results: Results) -> list[str]:
    """The processors of the last commit's record, if they made these bytes, too."""
    record = lock_record.read(results.root, "HEAD")
    if record and _outputs(at_commit(results.root, "HEAD")) == _outputs(results):
        return record["processors"]
    return []


def _outputs(results: Results) -> dict[str, str | None]:
    return {path: md5 for stage in results.stages.values() for path, md5 in stage.outputs.items()}


def _metrics(results: Results) -> Iterator[tuple[str, Any]]:
    for path in filter(is_metrics, (path for stage in results.stages.values() for path in stage.outputs)):
        with tempfile.TemporaryDirectory() as folder:
            file = results.fetch(path, Path(folder))
            if file:
                yield path, json.loads(file.read_text(encoding="utf-8"))


def _run_dvc(root: Path, *arguments: str) -> None:
    """Runs a command of DVC's, with the programs of this Python and without tracking.

    Raises:
        ReproductionError: It failed.
    """
    variables = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DOGS_VS_CATS_TRACKING": "off",
    }
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, env={**os.environ, **variables}, check=False
    )
    if done.returncode:
        raise ReproductionError(f"`dvc {' '.join(arguments)}` failed; its messages are above.")
