"""Which version of an experiment's registered model carries the alias `champion`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

ALIAS = "champion"

DATA = {
    "validation_images": "other images",
    "classes": "other classes",
    "image_size": "another image size",
}
"""Tags of a run that say what its model was validated on, and what another value of them means."""

_TAGS = ("approach", "experiment", "model_md5", *DATA)
_METRICS = ("validation_log_loss", "validation_accuracy", "test_log_loss", "test_accuracy")

Facts = dict[str, str]
"""What a version is tagged with, by which it is compared."""


def consider(client: "MlflowClient", name: str, run: "Run", model_id: str, promote: str) -> str:
    """Gives the alias to a model, if it is better than the present champion on the same validation images.

    Which of two models is better, the validation log loss says that each of them was given when it was evaluated; the
    test images have no part in it. A champion that was validated on other images, or on other classes or image sizes,
    can't be compared, and stays: the model becomes a version that only a person can promote.

    Args:
        client: Of the store.
        name: The registered model of the experiment.
        run: The run of the best approach of a comparison.
        model_id: MLflow's id of its model.
        promote: The command that promotes a version, whose number is to follow.

    Returns:
        What happened, in one sentence.
    """
    facts = _facts(run)
    who = _described(facts)
    champion = _champion(client, name)
    if champion is None:
        version = _register(client, name, run, model_id)
        client.set_registered_model_alias(name, ALIAS, version)
        earlier = "".join(
            f". {address} is an earlier champion of this experiment; to restore it: {promote} {address}"
            for address in _champions_elsewhere(client, name, facts.get("experiment"))
        )
        return f"{who} is the first champion of {name}, as version {version}{earlier}"
    if champion.tags.get("model_md5") == facts["model_md5"]:
        return f"{who} is the champion of {name} already, as version {champion.version}"
    holder = f"version {champion.version}, {_described(champion.tags)}"
    reason = _incomparable(champion.tags, facts)
    if reason:
        version = _register(client, name, run, model_id)
        return (
            f"{name} keeps its champion, {holder}: {reason}. The new model, {who}, is version {version}; to make it "
            f"the champion: {promote} {version}"
        )
    if float(champion.tags["validation_log_loss"]) <= float(facts["validation_log_loss"]):
        return f"{name} keeps its champion, {holder}, which is better on the same validation images than {who}"
    version = _register(client, name, run, model_id)
    client.set_registered_model_alias(name, ALIAS, version)
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
        What happened, in one sentence.
    """
    version = _register(client, name, run, model_id)
    client.set_registered_model_alias(name, ALIAS, version)
    return f"{_described(_facts(run))} is the champion of {name}, as version {version}"


def _facts(run: "Run") -> Facts:
    tags = {key: run.data.tags[key] for key in _TAGS if key in run.data.tags}
    return tags | {key: repr(run.data.metrics[key]) for key in _METRICS if key in run.data.metrics}


def _described(facts: Facts) -> str:
    figures = [
        f"{name} {float(facts[key]):{form}}"
        for key, name, form in (
            ("validation_log_loss", "validation log loss", ".4f"),
            ("test_accuracy", "test accuracy", ".3f"),
        )
        if key in facts
    ]
    experiment = f"experiment {facts.get('experiment', 'unknown')}"
    return f"{facts.get('approach', 'a model')} ({', '.join([experiment, *figures])})"


def _incomparable(champion: Facts, facts: Facts) -> str:
    """Why two models can't be compared; empty where they can be."""
    if "validation_log_loss" not in facts:
        return "the new model was trained on the validation images"
    if "validation_log_loss" not in champion:
        return "it was trained on the validation images, or never validated"
    if not DATA.keys() <= champion.keys():
        return "it isn't known which images it was validated on"
    differences = [words for key, words in DATA.items() if champion.get(key) != facts.get(key)]
    return f"it was validated on {' and '.join(differences)}" if differences else ""


def _champion(client: "MlflowClient", name: str) -> "ModelVersion | None":
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        # A registered model without the alias is an invalid parameter, to MLflow.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def champions(client: "MlflowClient") -> list[str]:
    """Addresses of the champions of all registered models."""
    return [f"models:/{found.name}@{ALIAS}" for found in client.search_registered_models() if ALIAS in found.aliases]


def _champions_elsewhere(client: "MlflowClient", name: str, experiment: str | None) -> list[str]:
    """Champions that the experiment has under other names, such as from before it had a registered model of its own."""
    found = []
    for registered in client.search_registered_models():
        version = (
            _champion(client, registered.name) if registered.name != name and ALIAS in registered.aliases else None
        )
        if version and version.run_id and client.get_run(version.run_id).data.tags.get("experiment") == experiment:
            found.append(f"models:/{registered.name}@{ALIAS}")
    return found


def _register(client: "MlflowClient", name: str, run: "Run", model_id: str) -> str:
    """Makes a model a version of the registered model, unless it is one."""
    from mlflow.exceptions import MlflowException

    facts: dict[str, Any] = _facts(run)
    experiment = facts.get("experiment", "unknown")
    try:
        client.create_registered_model(name, description=f"The best models of experiment {experiment}.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get("model_md5") == facts.get("model_md5"):
            for key, value in facts.items():
                client.set_model_version_tag(name, version.version, key, value)
            return str(version.version)
    version = client.create_model_version(
        name,
        f"models:/{model_id}",
        run_id=run.info.run_id,
        tags=facts,
        model_id=model_id,
        description=_described(facts),
    )
    return str(version.version)
