"""Likely causes of differences between two results of a stage."""

from collections.abc import Iterator
from typing import NamedTuple

from dogs_vs_cats.dvc_sync.locked_stages import LOCK, NO_STAGE
from dogs_vs_cats.dvc_sync.results import Results
from dogs_vs_cats.errors import listed
from dogs_vs_cats.provenance.code import LOCK as PACKAGES
from dogs_vs_cats.provenance.code import git
from dogs_vs_cats.provenance.manifest import differences

PARAMETERS = {"seed": "seed", "compute.threads": "threads", "compute.instruction_set": "instruction set"}
"""The parameters that are kinds of causes by themselves."""

KINDS = ("seed", "threads", "instruction set", "parameters", "data", "code", "library versions", "processor", "unknown")


class Cause(NamedTuple):
    """A likely cause.

    Attributes:
        kind: One of `KINDS`.
        detail: The difference.
    """

    kind: str
    detail: str


def likely_causes(stage: str, before: Results, after: Results) -> list[Cause]:
    """Finds what a stage depends on and differs, apart from the outputs of other stages.

    Args:
        stage: The name of a stage of either.
        before: The one result.
        after: The other one.

    Returns:
        At least one cause, in the order of `KINDS`.
    """
    found = [*changed_sources(stage, before, after), *_environment(stage, before, after)]
    if found:
        return found
    if before.run_of(stage) and after.run_of(stage):
        return [Cause("unknown", "parameters, data, code, library versions and processor are the same")]
    return [Cause("unknown", "parameters, data and code are the same; where it was made isn't recorded")]


def changed_sources(stage: str, before: Results, after: Results) -> Iterator[Cause]:
    """The parameters, data and code of a stage that differ."""
    old, new = (results.stages.get(stage, NO_STAGE) for results in (before, after))
    changes: dict[str, list[str]] = {}
    for name in old.parameters | new.parameters:
        values = old.parameters.get(name), new.parameters.get(name)
        if values[0] != values[1]:
            changes.setdefault(PARAMETERS.get(name, "parameters"), []).append(f"{name} {values[0]} → {values[1]}")
    made = {path for results in (before, after) for each in results.stages.values() for path in each.outputs}
    for path in (old.inputs | new.inputs).keys() - made:
        if old.inputs.get(path) != new.inputs.get(path):
            changes.setdefault(_kind(path), []).extend(_changed_files(path, before, after))
    yield from (Cause(kind, listed(sorted(changes[kind]))) for kind in KINDS if kind in changes)


def _kind(path: str) -> str:
    if path == PACKAGES:
        return "library versions"
    return "code" if path.endswith((".py", ".yml")) or path.startswith("src/") else "data"


def _changed_files(path: str, before: Results, after: Results) -> list[str]:
    """The files in a folder that differ, as far as git has them; else the folder."""
    commits = [
        git("log", "-1", "--format=%H", results.commit, "--", LOCK, root=results.root)
        for results in (before, after)
        if results.commit
    ]
    changed = git("diff", "--name-only", *commits, "--", path, root=before.root).splitlines()
    return changed or [path]


def _environment(stage: str, before: Results, after: Results) -> Iterator[Cause]:
    """The library versions and the processor, where they are known and differ."""
    old, new = before.run_of(stage), after.run_of(stage)
    found = differences(old, new) if old and new else {}
    for kind, group in (("library versions", "versions."), ("processor", "machine.")):
        changed = [f"{name.removeprefix(group)} {a} → {b}" for name, (a, b) in found.items() if name.startswith(group)]
        if changed:
            yield Cause(kind, listed(changed))
