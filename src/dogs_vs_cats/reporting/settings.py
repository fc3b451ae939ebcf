"""Parameters in words, and those a model was trained with beside the present ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """A parameter that a model was trained with.

    Attributes:
        name: Dotted.
        trained: Its value then, as in a parameter file; empty where there was no such parameter.
        today: Its value in the present configuration.
    """

    name: str
    trained: str
    today: str

    @property
    def differs(self) -> bool:
        """Whether the present configuration has another value."""
        return self.trained != self.today

    def __str__(self) -> str:
        return f"{self.name}: {self.trained or 'absent'} then, {self.today or 'absent'} now"


def compare(trained: Mapping[str, Any], today: Mapping[str, Any]) -> list[Setting]:
    """Sets the parameters of a training beside the present ones."""
    then, now = dict(flattened(trained)), dict(flattened(today))
    return [Setting(name, then.get(name, ""), now.get(name, "")) for name in {**then, **now}]


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields nested parameters as dotted names and values, written as in a parameter file."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _written(value)


def _written(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if value is None or value == {}:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    # 40 and 40.0 are one value.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
