"""The facts of a run that aren't results: the command, the user, the commit, the group and the parameters."""

import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from dogs_vs_cats.approaches import approach_of
from dogs_vs_cats.parameters.base import flat
from dogs_vs_cats.provenance.code import describe_code
from dogs_vs_cats.provenance.machine import describe_machine


def group() -> dict[str, str]:
    """The group of this process: a DVC experiment, a `dvc repro`, or itself alone.

    Returns:
        `key`, the same for all processes that belong together, the tag `run_group`; `label`, a part of the runs'
        names; and `command`: `kedro run`, `dvc repro` or `dvc exp`.
    """
    experiment = os.environ.get("DVC_EXP_NAME")
    if experiment:
        baseline = os.environ.get("DVC_EXP_BASELINE_REV", "")[:10]
        return {"key": f"dvc exp {experiment} {baseline}".strip(), "label": experiment, "command": "dvc exp"}
    command, process, started = "kedro run", os.getpid(), time.time()
    if "DVC_STAGE" in os.environ and (dvc := _dvc_process()):
        command, process, started = "dvc repro", dvc.pid, dvc.create_time()
    label = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started))
    # The time distinguishes the runs of one process, for instance of a notebook.
    key = f"{command} {platform.node()} {process} {started:.3f}"
    return {"key": key, "label": label, "command": command}


def _dvc_process() -> psutil.Process | None:
    """The `dvc` command that started this process."""
    for process in psutil.Process().parents():
        try:
            words = [Path(word).name for word in process.cmdline()[:3]]
        except psutil.Error:
            continue
        if "dvc" in words or "dvc.exe" in words:
            return process
    return None


def tags() -> dict[str, str]:
    """Tags of every run: command, user, code, machine, DVC experiment."""
    command, machine = kedro_command(), describe_machine()
    found = {
        "kedro_command": command,
        "mlflow.source.name": command,
        "mlflow.source.type": "LOCAL",
        "mlflow.user": psutil.Process().username(),
        "dvc_experiment": os.environ.get("DVC_EXP_NAME", ""),
        **_code_tags(),
        "processor": machine["processor"],
        "instruction_set": machine["instruction_set"],
    }
    return {name: value for name, value in found.items() if value}


def kedro_command() -> str:
    """The command line as it was typed, parameters included."""
    program = Path(sys.argv[0])
    # Started as `python -m kedro`, Kedro sets its own name to that.
    name = "kedro" if program.stem.endswith("kedro") or program.parent.name == "kedro" else program.name
    return shlex.join([name, *sys.argv[1:]])


def _code_tags() -> dict[str, str]:
    code = describe_code()
    commit, dirty = code["commit"], str(bool(code["dirty_files"])).lower()
    in_git = {"mlflow.source.git.commit": commit, "git_commit": commit, "git_dirty": dirty} if commit else {}
    return {"requirements_lock": code["requirements_lock"], **in_git}


def parameters_of(approach: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Flattens the parameters that one approach depends on.

    The approach's own block loses its name, so that `learning_rate` is one column for all approaches. Shared groups
    keep theirs (`ingestion.image_size`); those that the approach doesn't use are left out.

    Args:
        approach: Its name.
        parameters: All parameters of the run.

    Returns:
        Name and value as text.
    """
    own = parameters[approach]
    module = approach_of(approach, own)
    shared = {name: parameters[name] for name in ("seed", "ingestion", "compute") if name in parameters}
    if own.get("augment"):
        shared["augmentation"] = parameters["augmentation"]
    if module.USES_BACKBONE:
        shared["backbone"] = parameters["backbone"]
    values = {**dict(flat(own)), **dict(flat(shared)), "approach": approach}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
