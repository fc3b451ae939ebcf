"""Checks of a run that DVC started: refuse anything that DVC could not reproduce, and end with DVC."""

import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import click
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

from dogs_vs_cats.dvc_sync.conf_files import PRIVATE, merged, read_parameters
from dogs_vs_cats.errors import ReproductionError
from dogs_vs_cats.project import resolve

logger = logging.getLogger(__name__)

TEMPORARY = ".dvc/tmp/exps"
"""Where `dvc exp run --temp` and `--queue` run."""

POLL_SECONDS = 0.25
"""Seconds between two checks whether DVC is still alive."""

WATCHED = {"source": "raw_data", "images": "raw_data", "corrections": "corrections"}
"""Parameters of ingestion that name files, and the variables of dvc.yaml by which a stage depends on these."""

_SHELLS = {"sh", "bash", "dash", "zsh", "fish", "ksh", "busybox"}


class ReproductionHooks:
    """Checks of runs that are DVC stages; other runs are not affected."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Refuses a run that DVC can't reproduce, and ends it when DVC ends."""
        if "DVC_STAGE" not in os.environ:
            return
        _end_with_dvc()
        if context.env in (None, PRIVATE):
            raise ReproductionError(
                "DVC runs environments that everyone has, never conf/local. Name one in params.yaml, or: "
                "dvc exp run -S env=lecture"
            )
        parameters = context.config_loader["parameters"]
        base = merged(read_parameters(context.project_path / "conf/base"))
        if set(parameters["approaches"]) != set(base["approaches"]):
            raise ReproductionError(
                f"The environment {context.env} runs {', '.join(parameters['approaches'])}, but dvc.yaml has a stage "
                f"for each approach of conf/base. Run it without DVC: kedro run --env={context.env}"
            )
        watched = context.config_loader["globals"].get("dvc", {})
        for name, variable in WATCHED.items():
            if (path := parameters["ingestion"].get(name)) is not None:
                check_path(
                    f"ingestion.{name}", path, variable, watched.get(variable), context.project_path, context.env
                )


def check_path(parameter: str, given: str, variable: str, watched: str | None, root: Path, environment: str) -> None:
    """Refuses files that DVC doesn't have or doesn't watch.

    Args:
        parameter: The parameter that names them, such as `ingestion.source`.
        given: Its value.
        variable: The variable of the environment's `globals.yml` that names what the stage depends on.
        watched: Its value, relative to the project's root; None where the file lacks it.
        root: The project's root; DVC's temporary folder where it runs in one.
        environment: The environment.

    Raises:
        ReproductionError: The path lies outside a temporary folder of DVC's, isn't tracked, or isn't what the stage
            depends on, which may be unknown.
    """
    # Not at the top: every kedro command imports this module, and only stages of DVC are checked.
    from dogs_vs_cats.parameters.credentials import without_credentials
    from dogs_vs_cats.parameters.dvc_variables import RAW_DATA, is_path, on_disk

    if "://" in given:
        logger.warning(
            "DVC doesn't notice when %s (%s) changes. Track a copy with `dvc import-url URL %s/NAME`, and set %s to "
            "%s/NAME.",
            *(without_credentials(given), parameter, RAW_DATA, parameter, RAW_DATA),
        )
    if not is_path(given):
        return
    if watched is None:
        raise ReproductionError(
            f"conf/{environment}/globals.yml lacks dvc.{variable}, so DVC wouldn't notice a change of {parameter}. Run "
            "`kedro dvc sync`, which adds it."
        )
    # Not resolved: DVC may link tracked files to its cache.
    path = Path(os.path.normpath(resolve(on_disk(given), root)))
    inside = path.relative_to(root).as_posix() if path.is_relative_to(root) else None
    track = (
        f"copy it to {RAW_DATA} if it is outside of the repository, `dvc add` it there, commit the .dvc file, and set "
        f"{parameter} to that path"
    )
    if f"/{TEMPORARY}/" in f"{root.as_posix()}/" and (inside is None or not path.exists()):
        raise ReproductionError(
            f"{parameter} is {given}, but DVC runs this experiment in a temporary folder, which has only what git and "
            f"DVC track. To use it here, {track}; or run the experiment in your project: dvc exp run without --temp "
            "and --queue."
        )
    if inside is None:
        logger.warning("DVC doesn't notice when %s (%s) changes. To track it, %s.", given, parameter, track)
    elif not Path(inside).is_relative_to(watched):
        wanted = inside if variable == "corrections" else Path(inside).parent.as_posix()
        remedy = (
            f"Set {parameter} in conf/{environment}/parameters.yml and run `kedro dvc sync`, or add "
            f"-S conf/{environment}/globals.yml:dvc.{variable}={wanted} to the command."
        )
        if parameter == "ingestion.images":
            remedy = f"Put the table and its images into one folder, such as {RAW_DATA}, and run `kedro dvc sync`."
        raise ReproductionError(
            f"{parameter} is {given}, but the stage depends on {watched}: DVC wouldn't notice a change. {remedy}"
        )


def _end_with_dvc() -> None:
    """Ends this process when DVC's is gone.

    A killed DVC can't end its stages. Going on, one would write its results while the next `dvc repro` runs.
    """
    import psutil

    try:
        # DVC starts a stage through a shell, which may have put the stage in its own place.
        dvc = next(process for process in psutil.Process().parents() if process.name() not in _SHELLS)
    except psutil.AccessDenied:
        logger.warning("This stage doesn't end when DVC is killed: the system hides DVC's process")
        return

    def watch() -> None:
        with suppress(psutil.NoSuchProcess):
            # Not `wait`: a process that is dead but not yet collected by its parent counts as running there.
            while dvc.is_running() and dvc.status() != psutil.STATUS_ZOMBIE:
                time.sleep(POLL_SECONDS)
        click.echo("DVC has ended, and its stage ends with it.", err=True)
        os._exit(1)

    threading.Thread(target=watch, name="end with DVC", daemon=True).start()
