"""Starts the page: `python -m dogs_vs_cats.app`, or `make app`."""

import logging
from typing import Any, cast

import click
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from dogs_vs_cats.compute.start import start_keras
from dogs_vs_cats.inference.classifiers import find_model, load_classifier, trained
from dogs_vs_cats.parameters.command_line import params_option
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.project import ROOT
from dogs_vs_cats.tracking.store import registered_name


@click.command()
@click.option("--env", help="Kedro environment, whose models are shown; base if there is none.")
@params_option
@click.option(
    "--model",
    "wanted",
    multiple=True,
    help="An approach, champion (of MLflow's registry), the address of a model in MLflow (models:/NAME/VERSION, "
    "runs:/RUN/APPROACH) or a .keras file; may be given several times. "
    "By default all approaches that have been trained.",
)
@click.option(
    "--corrections",
    help="The .csv file that decisions about labels are written to. By default that of the environment "
    "(ingestion.corrections) or of its last run, or else conf/ENVIRONMENT/corrections.csv.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; by default only this computer can reach it.",
)
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port. By default the first free one from 7860 on.")
def main(
    env: str | None,
    params: dict[str, Any],
    wanted: tuple[str, ...],
    corrections: str | None,
    host: str,
    port: int | None,
) -> None:
    """Open a page that shows each approach's answer for the photos you drop on it, and one that reviews labels."""
    bootstrap_project(ROOT)
    with KedroSession.create(project_path=ROOT, env=env, runtime_params=params) as session:
        context = cast(KedroSession, session).load_context()
        parameters, catalog, environment = context.config_loader["parameters"], context.catalog, context.env
        experiment = context.config_loader["globals"]["experiment"]
    approaches = parameters["approaches"]
    # Where nothing is trained, None finds no best model either, and says what to do.
    names: list[str | None] = [*(wanted or trained(catalog, approaches))] or [None]
    registered = registered_name(parameters["tracking"]["registered_model"], experiment)
    click.echo("Loading the models …")
    start_keras()
    classifiers = [load_classifier(*find_model(name, catalog, approaches, registered)) for name in names]
    from dogs_vs_cats.app import page, review_page
    from dogs_vs_cats.app.answers import Expert
    from dogs_vs_cats.app.serving import MAX_CONNECTIONS, PORTS, address, build, listen, serve

    compute = ComputeParameters.model_validate(parameters["compute"])
    ingestion = IngestionParameters.model_validate(parameters["ingestion"])
    experts = [Expert(classifier, compute, ingestion) for classifier in classifiers]
    reviewed = review_page.Reviewed(catalog, environment, ingestion, corrections, params.get("experiment"))
    click.echo(f"Decisions about labels go to {reviewed.file}. To apply it: {reviewed.command(reviewed.file)}")
    logging.disable(logging.INFO)  # a run logs the same facts about the source
    tabs = page.routes(experts, ingestion.max_bytes), review_page.routes(reviewed)
    with listen(host, PORTS if port is None else [port]) as listening:
        click.echo(f"Open {address(listening)} (Ctrl-C ends it)")
        serve(build(*tabs, host=host), listening, MAX_CONNECTIONS)


if __name__ == "__main__":
    main(prog_name="python -m dogs_vs_cats.app")
