"""Checks of a run that DVC started: refuse anything that DVC could not reproduce, and end with DVC."""

import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import click
import psutil
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

from dogs_vs_cats.dvc_sync.conf_files import PRIVATE, merged, read_parameters
from dogs_vs_cats.errors import ReproductionError
from dogs_vs_cats.parameters.dvc_variables import RAW_DATA, is_path, on_disk

logger = logging.getLogger(__name__)

TEMPORARY = ".dvc/tmp/exps"
"""Where `dvc exp run --temp` and `--queue` run."""

POLL_SECONDS = 0.25
"""Seconds between two checks whether DVC is still alive."""

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
        raw_data = context.config_loader["globals"]["dvc"]["raw_data"]
        check_source(parameters["ingestion"]["source"], raw_data, context.project_path, context.env)


def check_source(source: str, raw_data: str, root: Path, environment: str) -> None:
    """Refuses images that DVC doesn't have or doesn't watch.

    Args:
        source: `ingestion.source`.
        raw_data: What the stage depends on, relative to the project's root.
        root: The project's root; DVC's temporary folder where it runs in one.
        environment: The environment.

    Raises:
        ReproductionError: The source lies outside a temporary folder of DVC's, isn't tracked, or isn't what the
            stage depends on.
    """
    if not is_path(source):
        return
    # Not resolved: DVC may link tracked files to its cache.
    path = Path(os.path.normpath(root / Path(on_disk(source)).expanduser()))
    inside = path.relative_to(root).as_posix() if path.is_relative_to(root) else None
    track = (
        f"copy it to {RAW_DATA} if it is outside of the repository, `dvc add` it there, commit the .dvc file, and set "
        "ingestion.source to that path"
    )
    if f"/{TEMPORARY}/" in f"{root.as_posix()}/" and (inside is None or not path.exists()):
        raise ReproductionError(
            f"ingestion.source is {source}, but DVC runs this experiment in a temporary folder, which has only what "
            f"git and DVC track. To use it here, {track}; or run the experiment in your project: dvc exp run without "
            "--temp and --queue."
        )
    if inside is None:
        logger.warning("DVC doesn't notice when %s (ingestion.source) changes. To track it, %s.", source, track)
    elif not Path(inside).is_relative_to(raw_data):
        raise ReproductionError(
            f"ingestion.source is {source}, but the stage depends on {raw_data}: DVC wouldn't notice when the images "
            f"change. Set the source in conf/{environment}/parameters.yml and run `kedro dvc sync`, or add "
            f"-S conf/{environment}/globals.yml:dvc.raw_data={Path(inside).parent.as_posix()} to the command."
        )


def _end_with_dvc() -> None:
    """Ends this process when DVC's is gone.

    A killed DVC can't end its stages. Going on, one would write its results while the next `dvc repro` runs.
    """
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
