"""`kedro cache`: what the caches hold, and making room."""

import time
from datetime import datetime
from typing import Any

import click

from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.parameters.command_line import params_option
from dogs_vs_cats.parameters.files import read_yaml
from dogs_vs_cats.project import ROOT

_SECONDS_A_DAY = 86_400


@click.group("cache")
def cache_commands() -> None:
    """Look after cached images and features."""


@cache_commands.command("list")
def list_entries() -> None:
    """Show what is cached, the least recently used first."""
    # Not at the top, as every kedro command imports this module.
    from dogs_vs_cats.storage.caches import cache_entries, size, total

    rows = [("cache", "array", "size", "frees", "used by", "last used")]
    entries = cache_entries(ROOT)
    rows += [
        (
            entry.kind,
            " × ".join(map(str, entry.shape)),
            size(entry.size),
            size(entry.frees),
            ", ".join(entry.users) or "-",
            datetime.fromtimestamp(entry.last_used).strftime("%Y-%m-%d %H:%M"),
        )
        for entry in entries
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    click.echo(total(entries))


@cache_commands.command()
@click.option("--env", "environment", help="Remove only what this environment's experiment uses.")
@params_option
@click.option(
    "--older-than", "days", type=click.FloatRange(min=0), help="Remove only what no run has used for this many days."
)
def prune(environment: str | None, params: dict[str, Any], days: float | None) -> None:
    """Remove cached images and features; a run that needs them decodes and extracts again.

    Without an option everything goes that no run uses at the moment. Results stay.
    """
    from dogs_vs_cats.storage.caches import cache_entries, remove, total

    entries = cache_entries(ROOT)
    if environment is not None or params:
        experiment = str(params.get("experiment") or _experiment(environment or "base"))
        entries = [entry for entry in entries if experiment in entry.users]
    if days is not None:
        entries = [entry for entry in entries if entry.last_used <= time.time() - days * _SECONDS_A_DAY]
    removed = remove(ROOT, entries)
    click.echo(f"Removed: {total(removed)}")
    if len(removed) < len(entries):
        click.echo(f"Not removed, because a run uses them now: {len(entries) - len(removed)}")


def _experiment(environment: str) -> str:
    """The experiment that an environment's results belong to."""
    files = {path.parent.name: path for path in sorted((ROOT / "conf").glob("*/globals.yml"))}
    if environment not in files:
        raise ParameterError(f"--env={environment}: there is no such environment; there are {', '.join(files)}.")
    contents = [read_yaml(files[name]) for name in ("base", environment)]
    return str((contents[0] | contents[1])["experiment"])
