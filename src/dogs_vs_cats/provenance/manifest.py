"""The manifest of an experiment, `provenance.json`: the runs that made its results, and the hashes of these.

A manifest has `experiment` and `runs`, the latest run last. Runs whose facts are equal, such as the stages of one
`dvc repro`, count as one. Each has

* `results`: the MD5 of the files that it made, by their names in the catalog
* `seed` and `seeds`, those of each approach
* `code`, `machine` and `versions`: see `describe_code`, `describe_machine` and `versions`
* `backend`: that of Keras
* `compute`: the parameters of the same name, such as `threads`
"""

from collections.abc import Collection, Mapping
from typing import Any

from dogs_vs_cats.compute.backend import backend_name
from dogs_vs_cats.parameters.base import flat
from dogs_vs_cats.provenance.code import describe_code
from dogs_vs_cats.provenance.machine import describe_machine, versions

Facts = dict[str, Any]
"""A run of a manifest, without its results."""

ENVIRONMENT = ("machine", "backend", "compute", "versions")
"""The facts that rounding depends on, beside those that change on purpose."""


def describe_run(parameters: Mapping[str, Any]) -> Facts:
    """Describes a run on this machine.

    Args:
        parameters: All its parameters.
    """
    seed = parameters["seed"]
    return {
        "seed": seed,
        "seeds": {name: parameters[name].get("seeds") or [seed] for name in parameters["approaches"]},
        "code": describe_code(),
        "machine": describe_machine(),
        "backend": backend_name(),
        "compute": dict(parameters["compute"]),
        "versions": versions(),
    }


def without_replaced(manifest: Mapping[str, Any], found: Mapping[str, str]) -> dict[str, Any]:
    """Removes results that aren't on disk any more, for instance because DVC has checked out others.

    Args:
        manifest: The manifest; may be empty.
        found: The MD5 of the files of results, by name; of a missing file, an empty text. Results that it lacks stay.
    """
    runs = [
        {**run, "results": {name: md5 for name, md5 in run["results"].items() if found.get(name, md5) == md5}}
        for run in manifest.get("runs", ())
    ]
    return {**manifest, "runs": [run for run in runs if run["results"]]}


def with_result(manifest: Mapping[str, Any], experiment: str, facts: Facts, name: str, md5: str) -> dict[str, Any]:
    """Adds a result to a manifest, in place of the one that an earlier run made.

    Args:
        manifest: The manifest; empty before the first result.
        experiment: The experiment.
        facts: Of the run, from `describe_run`.
        name: The result's name in the catalog.
        md5: The hash of its file.

    Returns:
        The new manifest. Runs of which no result is left aren't in it.
    """
    results, earlier = {}, []
    for run in manifest.get("runs", ()):
        kept = {other: hashed for other, hashed in run["results"].items() if other != name}
        if {**run, "results": None} == {**facts, "results": None}:
            results = kept
        elif kept:
            earlier.append({**run, "results": kept})
    return {
        "experiment": experiment,
        "runs": [*earlier, {"results": dict(sorted({**results, name: md5}.items())), **facts}],
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Compares the facts of two runs.

    Args:
        then: A run of a manifest.
        now: Another one, or what `describe_run` returns.

    Returns:
        The two values by their dotted name, such as `machine.processor`; None where a run lacks one. The results are
        left out.
    """
    before, after = dict(flat(then)), dict(flat(now))
    return {
        name: (before.get(name), after.get(name))
        for name in before | after
        if not name.startswith("results.") and before.get(name) != after.get(name)
    }


def made_elsewhere(manifest: Mapping[str, Any], facts: Facts, names: Collection[str]) -> list[str]:
    """Says which results come from another machine or other packages.

    Args:
        manifest: The manifest of the experiment.
        facts: Of the run that is about to start.
        names: The datasets that it reads or makes.

    Returns:
        A line for each run in the manifest that made any of them, and whose environment differs from this one.
    """
    lines = []
    for run in manifest.get("runs", ()):
        made = [name for name in run["results"] if name in names]
        changed = {name: of for name, of in differences(run, facts).items() if name.partition(".")[0] in ENVIRONMENT}
        if made and any(not name.startswith("compute.") for name in changed):
            listed = "; ".join(f"{name} was {then}, is {now}" for name, (then, now) in changed.items())
            lines.append(
                f"By provenance.json, another environment made {', '.join(made)}, so new results can differ: {listed}"
            )
    return lines
