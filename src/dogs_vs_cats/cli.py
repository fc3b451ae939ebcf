"""Commands of this project beside Kedro's own; Kedro takes them from the group `cli`."""

import os
from copy import copy
from pathlib import Path
from typing import Any, cast

import click
import kedro.runner
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import KedroCliError
from kedro.runner import AbstractRunner
from kedro.utils import load_obj

from dogs_vs_cats.app.commands import serve
from dogs_vs_cats.dvc_sync.commands import dvc
from dogs_vs_cats.errors import ConfigurationError, SelectionError
from dogs_vs_cats.parameters.command_line import parse_repeated
from dogs_vs_cats.parameters.files import read_yaml
from dogs_vs_cats.project import VARIABLE
from dogs_vs_cats.session.selection import ProjectSession
from dogs_vs_cats.storage.commands import cache_commands
from dogs_vs_cats.tracking.commands import tracking_commands

_PARAMS_HELP = """Parameters that take precedence over those in conf: NAME=VALUE, separated by commas, with dots in
nested names. Values are YAML: --params='ingestion.classes=[dog,cat],seed=3'. Text with a comma needs quotes."""


# Named, so that commands which run nothing don't import it.
_PROJECT_RUNNER = "dogs_vs_cats.session.runner.ProjectRunner"

_REPEATED = ("params", "runner_params")
"""Options that add to each other if they are given more than once."""


# Kedro's errors are one line too, without the words about a traceback that there isn't.
KedroCliError.show = click.ClickException.show  # type: ignore[method-assign]


@click.group(name="dogs-vs-cats")
def cli() -> None:
    """Commands of this project."""


def _run(pipeline: str | None, pipelines: list[str], params: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Run pipelines; without --pipelines, everything from ingestion to comparison."""
    del options["config"]  # its options are among the others
    arguments = {"is_async": options.pop("is_async"), **options.pop("runner_params")}
    options["runner"] = _runner(options["runner"] or _PROJECT_RUNNER, arguments)
    names = list(dict.fromkeys([*pipelines, pipeline] if pipeline else pipelines))
    configuration = {"env": options.pop("env"), "conf_source": options.pop("conf_source")}
    with ProjectSession.create(os.environ.get(VARIABLE), runtime_params=params, **configuration) as session:
        return cast(ProjectSession, session).run(pipeline_names=names, **options)


def _runner(name: str, arguments: dict[str, Any]) -> AbstractRunner:
    """Creates the runner of `--runner`, one of Kedro's or `package.module.Class`."""
    try:
        runner = load_obj(name, "kedro.runner")(**arguments)
        if not isinstance(runner, AbstractRunner):
            raise TypeError(f"{name} is no runner")
        return runner
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        known = ", ".join(sorted(name for name in kedro.runner.__all__ if name.endswith("Runner") and name[0] != "A"))
        raise SelectionError(
            f"--runner={name}: {error}. There are {known}, or your own as PACKAGE.MODULE.CLASS; --runner-params are "
            "its arguments."
        ) from None


def _options_file(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Takes the options that a file given with `--config` has in its block `run` as defaults; they may be lists."""
    if value is None:
        return None
    options = read_yaml(Path(value)).get("run")
    if not isinstance(options, dict):
        raise ConfigurationError(f"--config={value} lacks a block `run:` with options, such as `env: lecture`.")
    options = {name: ",".join(map(str, of)) if isinstance(of, list) else of for name, of in options.items()}
    options |= {name: [options[name]] for name in _REPEATED if name in options}
    if unknown := options.keys() - {option.name for option in ctx.command.params}:
        raise ConfigurationError(f"--config={value}: kedro run has no option {', '.join(sorted(map(str, unknown)))}.")
    ctx.default_map = {**(ctx.default_map or {}), **options}
    return value


def _options() -> list[click.Parameter]:
    """Kedro's options of `run`, three of which are read differently."""
    callbacks = {"params": parse_repeated, "runner_params": parse_repeated, "config": _options_file}
    options = [copy(option) for option in kedro_run.params]
    for option in options:
        option.callback = callbacks.get(str(option.name), option.callback)
        if option.name in _REPEATED and isinstance(option, click.Option):
            option.multiple, option.default = True, ()
        if option.name == "params" and isinstance(option, click.Option):
            option.help = _PARAMS_HELP
    return options


run = click.Command("run", params=_options(), callback=_run, help=_run.__doc__)

cli.add_command(cache_commands)
cli.add_command(dvc)
tracking_commands.add_command(serve)
cli.add_command(tracking_commands)
cli.add_command(run)
