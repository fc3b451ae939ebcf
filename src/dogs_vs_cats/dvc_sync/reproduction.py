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

from dogs_vs_cats.dvc_sync.lock_record import FILE, LockRecord
from dogs_vs_cats.dvc_sync.locked_stages import LOCK
from dogs_vs_cats.dvc_sync.output_differences import is_metrics
from dogs_vs_cats.dvc_sync.results import Results, at_commit
from dogs_vs_cats.errors import ReproductionError
from dogs_vs_cats.provenance.code import git
from dogs_vs_cats.provenance.machine import describe_machine, versions
from dogs_vs_cats.provenance.manifest import Facts


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
    new = git("ls-files", "--others", "--exclude-standard", "--", "src", "conf", root=root).splitlines()
    # DVC leaves new files out that git doesn't know.
    copied = [option for path in new for option in ("--copy-paths", path)]
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
    (results.root / LOCK).write_text(
        git("show", f"{results.commit}:{LOCK}", root=results.root) + "\n", encoding="utf-8"
    )
    file = results.root / FILE
    earlier = json.loads(file.read_text(encoding="utf-8"))["processors"] if file.is_file() else []
    (run,) = results.runs
    record: LockRecord = {
        "dvc_lock": git("hash-object", LOCK, root=results.root),
        "processors": sorted({*earlier, run["machine"]["processor"]}),
        "machine": run["machine"],
        "versions": run["versions"],
        "metrics": dict(_metrics(results)),
    }
    file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


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
