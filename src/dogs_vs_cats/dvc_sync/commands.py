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


@dvc.command()
def lock() -> None:
    """Reproduce all stages in a temporary folder, and write dvc.lock and dvc.lock.json from them.

    No result is taken from a cache: dvc.lock.json says which machine made them.
    """
    from dogs_vs_cats.dvc_sync.reproduction import reproduced, write_lock

    with reproduced(ROOT) as results:
        record = write_lock(results)
    click.echo(f"Wrote dvc.lock and dvc.lock.json on {record['machine']['processor']}. Commit both.")


@dvc.command()
@click.argument("before", metavar="[A]", default="HEAD")
@click.argument("after", metavar="[B]", required=False)
@click.option("--no-run", is_flag=True, help="Compare the results that lie in the working tree, and run nothing.")
@click.pass_context
def verify(ctx: click.Context, before: str, after: str | None, no_run: bool) -> None:
    """Compare results with those of dvc.lock, and name the first stage that differs.

    Without arguments, all stages of the working tree are reproduced in a temporary folder and compared with the
    dvc.lock of the last commit. A and B are commits, branches, tags or experiments.

    The exit status is 0 if all outputs are the same. It is 3 if the metrics differ by no more than 0.01 and no more
    than 1 % of the answers change, and else 4. Answers are compared where both versions of the predictions are there.
    """
    if after and no_run:
        raise click.UsageError("--no-run compares A with the working tree, so it takes no B. Leave out one of the two.")
    from dogs_vs_cats.dvc_sync import results
    from dogs_vs_cats.dvc_sync.reproduction import reproduced
    from dogs_vs_cats.dvc_sync.verification import verify
    from dogs_vs_cats.dvc_sync.verification_table import render

    reference = results.at_commit(ROOT, before)
    if after:
        found = verify(reference, results.at_commit(ROOT, after))
    elif no_run:
        found = verify(reference, results.in_working_tree(ROOT))
    else:
        with reproduced(ROOT) as reproduction:
            found = verify(reference, reproduction)
    click.echo(render(found))
    ctx.exit(found.status)
