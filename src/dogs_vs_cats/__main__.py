"""Runs pipelines where the package is installed without its checkout: `python -m dogs_vs_cats --conf-source=…`."""

import os
from pathlib import Path

import click
from kedro.framework.project import configure_project

_PROJECT_PATH = click.Option(
    ["--project-path"],
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder below which `data` is written, and from which relative paths count; by default the current one.",
)


@click.command(
    params=[_PROJECT_PATH, click.Argument(["options"], nargs=-1, type=click.UNPROCESSED)],
    context_settings={"ignore_unknown_options": True},
    add_help_option=False,
)
def main(project_path: Path, options: tuple[str, ...]) -> None:
    """Take the options of `kedro run`, and `--project-path`."""
    # Before anything of the package is imported: the project's root is a constant.
    os.environ["DOGS_VS_CATS_PROJECT"] = str(project_path.resolve())
    configure_project("dogs_vs_cats")
    from dogs_vs_cats.cli import run

    _PROJECT_PATH.expose_value = False
    run.params.append(_PROJECT_PATH)
    run.main(list(options), prog_name="python -m dogs_vs_cats")


if __name__ == "__main__":
    main()
