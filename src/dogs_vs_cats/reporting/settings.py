"""Parameters in words."""

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


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Writes nested parameters as dotted names and values, as in a parameter file."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{name}.")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value)) or "none"
        elif value is None or value == {}:
            yield name, "none"
        elif isinstance(value, float) and value.is_integer():
            yield name, str(int(value))  # 40 and 40.0 are one value
        else:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)
