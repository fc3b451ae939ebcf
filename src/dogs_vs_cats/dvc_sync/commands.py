"""`kedro dvc`: keeps `dvc.yaml` in step with the pipelines, the catalog and the environments."""

import difflib

import click

from dogs_vs_cats.errors import DVCFileError
from dogs_vs_cats.project import ROOT


@click.group()
def dvc() -> None:
    """Keep DVC's stages in step with Kedro's pipelines."""


@dvc.command()
@click.option("--check", is_flag=True, help="Write nothing; say what is out of date, and exit with 1.")
def sync(check: bool) -> None:
    """Write dvc.yaml from the registered pipelines and the catalog.

    Each entry of the catalog says in its metadata what DVC makes of it: `dvc: out`, `metric`, `plot` or `none`, or
    `dvc: {plot: {template: ..., x: ..., y: ...}}`.
    """
    # Not at the top: every kedro command imports this module, and few need all pipelines.
    from dogs_vs_cats.dvc_sync import environments
    from dogs_vs_cats.dvc_sync.dvc_file import render

    target = ROOT / "dvc.yaml"
    present = target.read_text(encoding="utf-8") if target.is_file() else ""
    wanted = render()
    if check:
        difference = "".join(
            difflib.unified_diff(
                present.splitlines(keepends=True), wanted.splitlines(keepends=True), "dvc.yaml", "what it should be"
            )
        )
        if difference:
            raise DVCFileError(f"dvc.yaml is out of date; run `kedro dvc sync`:\n{difference}")
    else:
        for path in environments.complete():
            click.echo(f"Wrote {path.relative_to(ROOT)}")
        if present != wanted:
            target.write_text(wanted, encoding="utf-8")
        click.echo("dvc.yaml is up to date" if present == wanted else "Wrote dvc.yaml")
    if found := environments.problems():
        lines = "\n".join(f"  - {problem}" for problem in found)
        raise DVCFileError(f"DVC can't follow every environment:\n{lines}")
