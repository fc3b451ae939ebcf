"""The champion of an experiment: the version of its registered model with the alias `champion`."""

from typing import TYPE_CHECKING

from dogs_vs_cats.evaluation import criteria
from dogs_vs_cats.inference.classifiers import CHAMPION
from dogs_vs_cats.parameters.comparison import Metric

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

DATA = ("validation_images", "classes", "image_size")
"""Tags of a run that describe its validation data."""

_TAGS = ("approach", "experiment", "model_md5", *DATA)
_METRICS = (*(f"validation_{metric}" for metric in criteria.WORDS), "test_log_loss", "test_accuracy")


def consider(client: "MlflowClient", name: str, run: "Run", model_id: str, promote: str, metric: Metric) -> str:
    """Gives the alias to a model, if it is better than the present champion on the same validation images.

    The better of two models is better by `metric` on the validation images; the test images have no part in it. A
    champion that was validated on other images, classes or image sizes, or without that metric, can't be compared and
    stays; only a person can then promote the new version.

    Args:
        client: Of the store.
        name: The registered model of the experiment.
        run: The run of the best approach of a comparison.
        model_id: MLflow's id of its model.
        promote: The command that promotes a version, without the version.
        metric: Decides which of two models is better; the log loss decides between equal ones.

    Returns:
        The outcome, in one sentence.
    """
    facts, champion = _facts(run), _champion(client, name)
    who = _described(facts, metric)
    if champion is None:
        version = _register(client, name, run, model_id, make_champion=True)
        return f"{who} is the first champion of {name}, as version {version}"
    if champion.tags.get("model_md5") == facts["model_md5"]:
        return f"{who} is the champion of {name} already, as version {champion.version}"
    holder = f"version {champion.version}, {_described(champion.tags, metric)}"
    if reason := _incomparable(champion.tags, facts, metric):
        version = _register(client, name, run, model_id)
        return (
            f"{name} keeps its champion, {holder}: {reason}. The new model, {who}, is version {version}; to make it "
            f"the champion: {promote} {version}"
        )
    if _rank(metric, champion.tags) <= _rank(metric, facts):
        return f"{name} keeps its champion, {holder}, which is better on the same validation images than {who}"
    version = _register(client, name, run, model_id, make_champion=True)
    return (
        f"{who} is the new champion of {name}, as version {version}: better on the same validation images than {holder}"
    )


def promote(client: "MlflowClient", name: str, run: "Run", model_id: str) -> str:
    """Makes a model the champion, whatever the present one is.

    Args:
        client: Of the store.
        name: The registered model of the experiment.
        run: The run that trained the model.
        model_id: MLflow's id of it.

    Returns:
        The outcome, in one sentence.
    """
    version = _register(client, name, run, model_id, make_champion=True)
    return f"{_described(_facts(run))} is the champion of {name}, as version {version}"


def _facts(run: "Run") -> dict[str, str]:
    """The tags of a version, by which it is compared with others."""
    tags = {key: run.data.tags[key] for key in _TAGS if key in run.data.tags}
    return tags | {key: repr(run.data.metrics[key]) for key in _METRICS if key in run.data.metrics}


def _incomparable(champion: dict[str, str], challenger: dict[str, str], metric: Metric) -> str:
    """Says why two models can't be compared; empty where they can."""
    validated = "validation_log_loss" in champion and "validation_log_loss" in challenger
    if not validated or any(champion.get(key) != challenger.get(key) for key in DATA):
        return "the two were not validated on the same images, classes and image size"
    if any(f"validation_{metric}" not in facts for facts in (champion, challenger)):
        return f"the validation {criteria.WORDS[metric]} of one of the two is unknown"
    return ""


def _rank(metric: Metric, facts: dict[str, str]) -> tuple[float, float]:
    known = {name: facts.get(f"validation_{name}") for name in criteria.WORDS}
    return criteria.rank(metric, {name: float(value) for name, value in known.items() if value is not None})


def _described(facts: dict[str, str], metric: Metric = criteria.DEFAULT) -> str:
    details = [f"experiment {facts.get('experiment', 'unknown')}"]
    if f"validation_{metric}" in facts:
        details.append(f"validation {criteria.WORDS[metric]} {float(facts[f'validation_{metric}']):.4f}")
    if "test_accuracy" in facts:
        details.append(f"test accuracy {float(facts['test_accuracy']):.3f}")
    return f"{facts.get('approach', 'a model')} ({', '.join(details)})"


def _champion(client: "MlflowClient", name: str) -> "ModelVersion | None":
    registered = client.search_registered_models(f"name = '{name}'")
    if registered and (version := registered[0].aliases.get(CHAMPION)):
        return client.get_model_version(name, version)
    return None


def _register(client: "MlflowClient", name: str, run: "Run", model_id: str, *, make_champion: bool = False) -> str:
    """Registers a model as a version, unless it is one already, and returns the number of the version."""
    facts = _facts(run)
    if not client.search_registered_models(f"name = '{name}'"):
        experiment = facts.get("experiment", "unknown")
        client.create_registered_model(name, description=f"The best models of experiment {experiment}.")
    found = client.search_model_versions(f"name = '{name}' and tags.model_md5 = '{facts['model_md5']}'")
    version = (
        found[0]
        if found
        else client.create_model_version(
            name, f"models:/{model_id}", run.info.run_id, model_id=model_id, description=_described(facts)
        )
    )
    for key, value in facts.items():
        client.set_model_version_tag(name, version.version, key, value)
    if make_champion:
        client.set_registered_model_alias(name, CHAMPION, version.version)
    return str(version.version)
