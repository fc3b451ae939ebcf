"""Parameters as they are given on the command line: `NAME=VALUE,NAME=VALUE`."""

from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from dogs_vs_cats.errors import ParameterError

_BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}


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
        except (YAMLError, OmegaConfBaseException, ValueError) as error:
            reason = getattr(error, "problem", None) or str(error).splitlines()[0]
            raise ParameterError(
                f"{option}: the value of {name} can't be read ({reason}); given was {value!r}. Text with special "
                f"characters needs quotes: {option}='{name}=\"…\"'"
            ) from None
    return OmegaConf.to_container(parameters)  # type: ignore[return-value]


def _items(text: str) -> Iterator[str]:
    """Splits at the commas that are in no brackets and no quotes."""
    start = depth = index = 0
    quote = ""
    while index < len(text):
        char, before = text[index], text[start:index].rstrip()
        # A bracket or quote inside plain text, as in o'brien or a[1], is an ordinary character.
        opens = before.endswith("=") and before.count("=") == 1
        if quote:
            if (quote, char) == ('"', "\\") or text[index : index + 2] == "''" == 2 * quote:
                index += 1
            elif char == quote:
                quote = ""
        elif char in "\"'" and (opens or (depth and before.endswith(("[", "{", ",", ":")))):
            quote = char
        elif char in _BRACKETS and (opens or depth):
            depth += _BRACKETS[char]
        elif char == "," and not depth:
            yield text[start:index]
            start = index + 1
        index += 1
    if text[start:].strip():
        yield text[start:]
