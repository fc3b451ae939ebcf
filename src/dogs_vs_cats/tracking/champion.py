"""The champion of an experiment: the version of its registered model with the alias `champion`."""

from typing import TYPE_CHECKING

from dogs_vs_cats.inference.classifiers import CHAMPION

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

DATA = ("validation_images", "classes", "image_size")
"""Tags of a run that describe its validation data."""

_TAGS = ("approach", "experiment", "model_md5", *DATA)
_METRICS = ("validation_log_loss", "validation_accuracy", "test_log_loss", "test_accuracy")


def consider(client: "MlflowClient", name: str, run: "Run", model_id: str, promote: str) -> str:
    """Gives the alias to a model, if it is better than the present champion on the same validation images.

    The better of two models has the lower validation log loss; the test images have no part in it. A champion that was
    validated on other images, classes or image sizes can't be compared and stays; only a person can then promote the
    new version.

    Args:
        client: Of the store.
        name: The registered model of the experiment.
        run: The run of the best approach of a comparison.
        model_id: MLflow's id of its model.
        promote: The command that promotes a version, without the version.

    Returns:
        The outcome, in one sentence.
    """
    facts, champion = _facts(run), _champion(client, name)
    who = _described(facts)
    if champion is None:
        version = _register(client, name, run, model_id, make_champion=True)
        return f"{who} is the first champion of {name}, as version {version}"
    if champion.tags.get("model_md5") == facts["model_md5"]:
        return f"{who} is the champion of {name} already, as version {champion.version}"
    holder = f"version {champion.version}, {_described(champion.tags)}"
    validated = "validation_log_loss" in facts and "validation_log_loss" in champion.tags
    if not validated or any(champion.tags.get(key) != facts.get(key) for key in DATA):
        version = _register(client, name, run, model_id)
        return (
            f"{name} keeps its champion, {holder}: the two were not validated on the same images, classes and image "
            f"size. The new model, {who}, is version {version}; to make it the champion: {promote} {version}"
        )
    if float(champion.tags["validation_log_loss"]) <= float(facts["validation_log_loss"]):
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


def _described(facts: dict[str, str]) -> str:
    details = [f"experiment {facts.get('experiment', 'unknown')}"]
    if "validation_log_loss" in facts:
        details.append(f"validation log loss {float(facts['validation_log_loss']):.4f}")
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
