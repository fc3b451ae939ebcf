"""The table of the lectures' claims, and how a claim is held against our figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

PRINTS_NONE = "none printed"


class Verdict(StrEnum):
    """What became of a claim; the page has their meanings."""

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

    In the table, `ours`, `note` and `verdict` have figures in braces, or wait for them; on the page they are filled in.
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
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    accuracy: str = ""


@cache
def _read() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((files(__package__) / "claims.yml").read_text(encoding="utf-8"))
    return content


def commands() -> dict[str, dict[str, str]]:
    """What gives our figures: `purpose` and `lines` by name, in the order in which the page numbers them."""
    commands: dict[str, dict[str, str]] = _read()["commands"]
    return commands


def table() -> list[Claim]:
    """Every claim, topic by topic, with braces where figures belong."""
    return [Claim(topic, **claim) for topic, claims in _read()["topics"].items() for claim in claims]


def judge(claim: Claim, figures: Mapping[str, Any]) -> Claim:
    """Fills in our figures and compares.

    Args:
        claim: A row of the table that needs no results of experiments.
        figures: What stands in braces, by name.
    """
    ours, note, verdict = (text.format_map(figures) for text in (claim.ours, claim.note, claim.verdict))
    if not verdict:
        verdict = _compare(claim, ours)
    return replace(claim, ours=ours, note=note, verdict=verdict)


def _compare(claim: Claim, ours: str) -> Verdict:
    if claim.lecture == PRINTS_NONE:
        return Verdict.OURS_ONLY
    if claim.lecture == ours:
        return Verdict.SAME
    return Verdict.OTHER if claim.setting else Verdict.SLIP


def by_interval(lecture: float, low: float, high: float) -> Verdict:
    """The verdict on a measured figure, from the ends of its 95% interval."""
    return Verdict.BETTER if low > lecture else Verdict.BELOW if high < lecture else Verdict.AGREES
