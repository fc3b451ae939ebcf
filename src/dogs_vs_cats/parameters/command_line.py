"""Parameters as they are given on the command line: `NAME=VALUE,NAME=VALUE`."""

from collections.abc import Iterator
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dogs_vs_cats.errors import ParameterError


def parse(text: str, option: str = "--params") -> dict[str, Any]:
    """Reads the value of `--params`, or of another option of its form.

    Args:
        text: Items `NAME=VALUE`, separated by commas. A name has dots between its levels. A value is YAML: commas
            within `[…]`, `{…}` or quotes belong to it.
        option: What messages call it.

    Returns:
        The values, nested like their names.

    Raises:
        ParameterError: An item isn't `NAME=VALUE`, or its value isn't YAML.
    """
    parameters = OmegaConf.create()
    for item in _items(text):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not name or not equals:
            raise ParameterError(
                f"{option}: {item.strip()!r} isn't NAME=VALUE. A value with a comma needs quotes or brackets: "
                f"{option}='NAME=\"a,b\"', {option}='NAME=[a,b]'"
            )
        try:
            parameters.merge_with_dotlist([f"{name}={value}"])
        except (yaml.YAMLError, OmegaConfBaseException, ValueError) as error:
            reason = getattr(error, "problem", None) or str(error).splitlines()[0]
            raise ParameterError(
                f"{option}: the value of {name} can't be read ({reason}); given was {value!r}. Text with special "
                f"characters needs quotes: {option}='{name}=\"…\"'"
            ) from None
    return OmegaConf.to_container(parameters)  # type: ignore[return-value]


def _items(text: str) -> Iterator[str]:
    """Splits at the commas that separate items, and at none of those within a value."""
    item = ""
    for piece in text.split(","):
        item = f"{item},{piece}" if item else piece
        try:
            yaml.safe_load(item.partition("=")[2])
        except yaml.YAMLError:
            continue  # a bracket or a quote is still open
        if item.strip():
            yield item
        item = ""
    if item:
        yield item
