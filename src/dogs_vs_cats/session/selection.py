"""A session that checks what a run is to consist of before anything is loaded or run."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from dogs_vs_cats.errors import MissingInputError, SelectionError, listed

LISTED = 40
"""A message lists at most so many names; of datasets there are hundreds."""

LOADED_BEFORE_NODES = {"classifier": ("inference", "model"), "exported_classifier": ("export", "approach")}
"""Models that are loaded before the first node, and the parameter that names each."""


def _datasets(pipeline: Pipeline) -> set[str]:
    return {name for name in pipeline.datasets() if name != "parameters" and not name.startswith("params:")}


def _selectable(pipeline: Pipeline) -> dict[str, set[str]]:
    """For each argument of `Pipeline.filter`, the names there are."""
    nodes, datasets = {node.name for node in pipeline.nodes}, _datasets(pipeline)
    return {
        "tags": {tag for node in pipeline.nodes for tag in node.tags},
        "node_names": nodes,
        "from_nodes": nodes,
        "to_nodes": nodes,
        "from_inputs": datasets,
        "to_outputs": datasets,
        "node_namespaces": {prefix for node in pipeline.nodes for prefix in node.namespace_prefixes},
    }


class ProjectSession(KedroSession):
    """Kedro's session; a name that doesn't exist is refused in one line that lists those that do."""

    _requested: tuple[list[str], dict[str, Any]] | None = None

    def run(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Runs pipelines; takes Kedro's arguments.

        Raises:
            SelectionError: A pipeline, node, tag, dataset, namespace or version doesn't exist, or no node is left.
        """
        # Not at the top: every kedro command imports this module, and few run anything.
        from dogs_vs_cats.session.runner import ProjectRunner

        named = options.get("pipeline_name") or (args[0] if args else None)
        self._requested = (options.get("pipeline_names") or [named or "__default__"], options)
        options["runner"] = options.get("runner") or ProjectRunner()
        return super().run(*args, **options)

    def load_context(self) -> KedroContext:
        """Loads the configuration; the hooks then know the environment's pipelines, from which a run selects."""
        context = super().load_context()
        if self._requested:
            names, options = self._requested
            check_selection(names, options)
            for name in options.get("load_versions") or ():
                # Kedro itself would load the present data without a word.
                if not context.config_loader["catalog"].get(name, {}).get("versioned"):
                    raise SelectionError(
                        f"--load-versions={name}:…: Kedro has no versions of {name}. DVC has the earlier versions of "
                        "all results: git checkout COMMIT dvc.lock, then dvc checkout."
                    )
        return context


def check_selection(names: Iterable[str], options: Mapping[str, Iterable[str] | None]) -> None:
    """Checks that everything a run selects exists.

    Args:
        names: The pipelines of the environment that are to run.
        options: The further arguments of the run, some of which select nodes.

    Raises:
        SelectionError: A name doesn't exist, or the selections have no node in common.
    """
    # Kedro may have loaded those alone that were asked for.
    pipelines.set_requested(None)
    for name in names:
        _check_name("--pipelines", name, pipelines)
    pipeline = sum((pipelines[name] for name in names), Pipeline([]))
    given = {**options, "node_namespaces": options.get("namespaces")}
    selected = {}
    for argument, existing in _selectable(pipeline).items():
        selected[argument] = list(given.get(argument) or [])
        for name in selected[argument]:
            if not name.startswith("params:"):
                _check_name(_option(argument), name, existing)
    try:
        pipeline.filter(**selected)
    except ValueError:
        used = ", ".join(f"{_option(argument)}={','.join(values)}" for argument, values in selected.items() if values)
        raise SelectionError(f"No node is left to run: {used} have none in common.") from None


def check_inputs(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any], environment: str | None) -> None:
    """Checks that everything a run starts from is there.

    Args:
        pipeline: The pipeline of the run.
        catalog: Where its inputs lie.
        environment: The value of `--env`, for the command in the message.

    Raises:
        MissingInputError: Inputs are missing; the message names the pipelines that make them.
    """

    def missing(part: Pipeline) -> list[str]:
        inputs = _datasets(part) & part.inputs() - LOADED_BEFORE_NODES.keys()
        return sorted(name for name in inputs if not catalog.exists(name))

    if not (absent := missing(pipeline)):
        return
    wanted = set(absent)
    needed: list[str] = []
    for name, part in reversed(list(pipelines.items())):  # a pipeline reads what earlier ones make
        if name != "__default__" and wanted & part.all_outputs():
            needed.insert(0, name)
            wanted = wanted - part.all_outputs() | {*missing(part)}
    advice = "No pipeline produces it: check its name in the pipeline, and its entry and file in the catalog."
    if needed:
        advice = f"Run the pipelines that produce it: {run_command(environment, needed)}"
    raise MissingInputError(
        f"The run starts from {', '.join(absent)}, which this experiment doesn't have on disk. {advice}"
    )


def run_command(environment: str | None, names: Iterable[str]) -> str:
    """The command that runs some pipelines.

    Args:
        environment: The value of `--env`; None without it.
        names: The pipelines.
    """
    option = f"--env={environment} " if environment else ""
    return f"kedro run {option}--pipelines={','.join(names)}"


def _option(argument: str) -> str:
    names = {"node_names": "--nodes", "node_namespaces": "--namespaces"}
    return names.get(argument, f"--{argument.replace('_', '-')}")


def _check_name(option: str, name: str, existing: Collection[str]) -> None:
    if name in existing:
        return
    inner = [known for known in sorted(existing) if known.rpartition(".")[2] == name]
    close = inner or get_close_matches(name, existing, n=3)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    known = listed(sorted(existing), LISTED) or "none"
    raise SelectionError(f"{option}={name}: there is no {name!r}.{hint} Available: {known}.")
