"""The table of the lectures' claims, and how a claim is compared with our figures."""

import shlex
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import yaml

from dogs_vs_cats.reporting.html import environment

PRINTS_NONE = "none printed"

_EXPRESSIONS = environment("dogs_vs_cats.lectures", ".")


class Verdict(StrEnum):
    """The result of a comparison; the page has their meanings."""

    SAME = "the same"
    SLIP = "slip"
    OTHER = "other"
    OURS_ONLY = "ours only"
    AGREES = "agrees"
    BETTER = "better"
    BELOW = "below"
    MEASURED = "measured"
    NOT_RUN = "not run"
    UNCHECKED = "unchecked"


@dataclass(frozen=True)
class Claim:
    """A row of the table, and of the page; see the head of `claims.yml`.

    In the table, `ours`, `note` and `verdict` have expressions in braces, or wait for results; on the page they are
    filled in. `experiment` names the results that were measured.
    """

    topic: str
    claim: str
    source: str
    lecture: str = PRINTS_NONE
    ours: str = ""
    verdict: str = ""
    note: str = ""
    command: str = "replication"
    setting: bool = False
    images: str = ""
    experiment: str = ""
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    accuracy: str = ""

    def filled(self, figures: Mapping[str, Any], verdict: str = "") -> "Claim":
        """Evaluates the expressions, and compares our figure with the lecture's.

        Args:
            figures: Values of the names in the expressions.
            verdict: Takes the place of a comparison.

        Raises:
            UndefinedError: There is no such figure.
        """
        ours, note, given = (_Filler().vformat(text, (), figures) for text in (self.ours, self.note, self.verdict))
        return replace(self, ours=ours, note=note, verdict=verdict or given or self._compared(ours))

    def _compared(self, ours: str) -> Verdict:
        if self.lecture == PRINTS_NONE:
            return Verdict.OURS_ONLY
        if self.lecture == ours:
            return Verdict.SAME
        return Verdict.OTHER if self.setting else Verdict.SLIP


class _Filler(string.Formatter):
    """`str.format` with expressions of Jinja for names: `{output_size(5, 3, 3):,}`."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        value = _EXPRESSIONS.compile_expression(field_name, undefined_to_none=False)(**kwargs)
        if isinstance(value, jinja2.Undefined):
            raise jinja2.UndefinedError(field_name)
        return value, field_name


@cache
def content() -> dict[str, Any]:
    """The whole of `claims.yml`."""
    return dict(yaml.safe_load((files(__package__) / "claims.yml").read_text(encoding="utf-8")))


def table() -> list[Claim]:
    """Every claim, topic by topic, with braces around the expressions."""
    return [Claim(topic, **claim) for topic, claims in content()["topics"].items() for claim in claims]


def command_line(name: str, sources: Mapping[str, str] | None = None) -> str:
    """Returns a command of the table, complete with the source of its images.

    Args:
        name: One of `commands` in `claims.yml`.
        sources: Where images are, as `--params` takes it, by their name in `images` there. The table's own sources fill
            the gaps.
    """
    command = content()["commands"][name]
    source = {**content()["images"], **(sources or {})}.get(command.get("images"))
    return str(command["line"]) + (f" {shlex.quote(f'--params=ingestion.source={source}')}" if source else "")


def by_interval(lecture: float, low: float, high: float) -> Verdict:
    """The verdict on a measured figure, from the ends of its 95% interval."""
    return Verdict.BETTER if low > lecture else Verdict.BELOW if high < lecture else Verdict.AGREES
