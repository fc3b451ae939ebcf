"""The manifest of an experiment in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from dogs_vs_cats.errors import quantity

SHORT_HASH = 10


def lines(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence for each run of a manifest, without the full stop: code, packages, machine, seed.

    Args:
        manifest: See `dogs_vs_cats.provenance.manifest`; may be empty.
    """
    runs = manifest.get("runs", ())
    for run in runs:
        code, machine, compute, versions = (run[name] for name in ("code", "machine", "compute", "versions"))
        whole = len(runs) == 1 and any(name.endswith(".model") for name in run["results"])
        made = "Made" if whole else f"{', '.join(run['results'])} made"
        commit = f"commit {code['commit'][:SHORT_HASH]}" if code["commit"] else "no commit"
        changed = f" with {quantity(len(code['dirty_files']), 'changed file')}" if code["dirty_files"] else ""
        named = ("python", "keras", run["backend"], f"{run['backend']}-cpu", "numpy")
        packages = ", ".join(f"{name} {versions[name]}" for name in named if name in versions)
        held = "" if compute["instruction_set"] == "auto" else f", held to {compute['instruction_set']}"
        used = f"{', '.join([*machine['gpus'], machine['processor']])} ({machine['instruction_set']}{held})"
        threads = compute["threads"] or machine["cores"]
        yield f"{made} with {commit}{changed}; {packages}; on {used}, {threads} threads; seed {run['seed']}"
