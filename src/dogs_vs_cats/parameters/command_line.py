"""Parameters as they are given on the command line: `NAME=VALUE,NAME=VALUE`."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import click
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dogs_vs_cats.errors import ParameterError

_PLAIN = re.compile(r"(?:[^\W\d]|[~/.])[\w /.()~+-]*")


def parse(text: str, option: str = "--params") -> dict[str, Any]:
    """Reads the value of `--params`, or of another option of its form.

    Args:
        text: Items `NAME=VALUE`, separated by commas. A name has dots between its levels. A value is YAML: commas
            within `[…]`, `{…}` or quotes belong to it.
        option: Its name in messages.

    Returns:
        The values, nested like their names.

    Raises:
        ParameterError: An item isn't `NAME=VALUE`, or its value isn't YAML.
    """
    parameters = OmegaConf.create()
    item, reason = "", ""
    for piece in text.split(","):
        item = f"{item},{piece}" if item else piece.strip()
        name, equals, value = (part.strip() for part in item.partition("="))
        if item and not (name and equals):
            raise ParameterError(
                f"{option}: {item!r} isn't NAME=VALUE. A value with a comma needs quotes or brackets: "
                f"{option}='NAME=\"a,b\"', {option}='NAME=[a,b]'"
            )
        try:
            parameters.merge_with_dotlist([f"{name}={value}"] if item else [])
        except (yaml.YAMLError, OmegaConfBaseException, ValueError) as error:
            # Perhaps a bracket or a quote that the next piece closes.
            reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        else:
            item = ""
    if item:
        raise ParameterError(
            f"{option}: the value of {name} can't be read ({reason}); given was {value!r}. Text with special "
            f"characters needs quotes: {option}='{name}=\"…\"'"
        )
    return OmegaConf.to_container(parameters)  # type: ignore[return-value]


def parse_repeated(ctx: click.Context, param: click.Parameter, values: Sequence[Any]) -> dict[str, Any]:
    """Reads an option that may be repeated, as its callback; a file given with `--config` may hold it as a block."""
    if values and isinstance(values[0], Mapping):
        return dict(values[0])
    return parse(",".join(values), param.opts[0])


params_option = click.option(
    "--params",
    multiple=True,
    callback=parse_repeated,
    help="As in kedro run: --params=experiment=NAME for the results of a run with that parameter.",
)
"""The option of commands that read an experiment's results; gives its parameters, nested."""


def as_yaml(text: str) -> str:
    """Formats text as a YAML string, quoted if it has commas or would be read as a number or `true`.

    It has no apostrophes, so that it can stand in `--params='…'`.
    """
    if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False).replace("'", r"\u0027")
