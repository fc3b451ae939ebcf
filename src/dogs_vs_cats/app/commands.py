"""`kedro tracking serve`, which is in this folder because the server builds on that of the page."""

from typing import Any, cast

import click
from kedro.framework.session import KedroSession

from dogs_vs_cats.parameters.command_line import params_option
from dogs_vs_cats.project import ROOT


@click.command()
@click.option("--env", help="Kedro environment whose parameters and models are used; by default base.")
@params_option
@click.option(
    "--model",
    "wanted",
    metavar="MODEL",
    help="An approach, the address of a model in MLflow (models:/NAME/VERSION, runs:/RUN/APPROACH) or a .keras file. "
    "By default the champion of the experiment.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; by default only this computer can reach it.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=5001, show_default=True, help="TCP port.")
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    default=100_000_000,
    show_default=True,
    help="Larger requests are refused.",
)
def serve(env: str | None, params: dict[str, Any], wanted: str | None, host: str, port: int, max_bytes: int) -> None:
    """Answer photos over HTTP, as MLflow's scoring server and at /classify."""
    # Not at the top, as every kedro command imports this module.
    from dogs_vs_cats.app.serving import address, listen
    from dogs_vs_cats.app.serving import serve as serve_until_ended
    from dogs_vs_cats.compute.start import start_keras
    from dogs_vs_cats.inference.classifiers import CHAMPION, find_model, load_classifier
    from dogs_vs_cats.parameters.compute import ComputeParameters
    from dogs_vs_cats.parameters.inference import InferenceParameters
    from dogs_vs_cats.parameters.ingestion import IngestionParameters
    from dogs_vs_cats.tracking.store import prepare_mlflow, registered_name

    with listen(host, [port]) as listening:
        with KedroSession.create(project_path=ROOT, env=env, runtime_params=params) as session:
            context = cast(KedroSession, session).load_context()
        parameters = context.config_loader["parameters"]
        experiment = context.config_loader["globals"]["experiment"]
        registered = registered_name(parameters["tracking"]["registered_model"], experiment)
        found = find_model(wanted or CHAMPION, context.catalog, parameters["approaches"], registered)
        click.echo(f"Loading {found[0]} …")
        start_keras()
        classifier = load_classifier(*found)
        prepare_mlflow()
        from dogs_vs_cats.app.server import MAX_CONNECTIONS, PhotoClassifier, build

        decoding = IngestionParameters.model_validate(parameters["ingestion"]).decoding(
            classifier.bit_depth, classifier.fit
        )
        unsure_below = InferenceParameters.model_validate(parameters["inference"]).unsure_below
        photos = PhotoClassifier(
            classifier, ComputeParameters.model_validate(parameters["compute"]), decoding, unsure_below
        )
        click.echo(f"Answering photos at {address(listening)}classify (Ctrl-C ends it)")
        serve_until_ended(build(photos, max_bytes), listening, MAX_CONNECTIONS)
