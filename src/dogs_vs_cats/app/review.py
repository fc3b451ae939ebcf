"""The review of label issues: one photo at a time, and each decision at once a row of the file of corrections.

That file is the only state. It is read before each decision and replaced atomically after it. So a killed server loses
nothing, the review resumes at the first photo without a row, and rows that a user writes by hand stay.
"""

from dataclasses import dataclass, field
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from dogs_vs_cats.app.pictures import JPEG_QUALITY, in_proportion
from dogs_vs_cats.errors import ParameterError, SourceError, listed
from dogs_vs_cats.images.correction_files import (
    COLUMNS,
    LEAVE_OUT,
    RELABEL,
    Correction,
    corrections_path,
    read_corrections,
)
from dogs_vs_cats.images.decoding import ImageRejected
from dogs_vs_cats.images.pixels import read_image
from dogs_vs_cats.images.sources import Entry, Source
from dogs_vs_cats.images.sources.names import label_of
from dogs_vs_cats.images.sources.table_files import parsed
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.reporting.html import jpeg
from dogs_vs_cats.storage.atomic import replace_atomically

PHOTO_SIDE = 1000
"""The longer side of a photo on the page, in pixels."""

Row = dict[str, str]
"""A row of the file of corrections, by header."""


class Decision(BaseModel):
    """A user's decision about a photo; `undo` takes the last one back, whatever its photo."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["relabel", "leave_out", "undo"]
    path: str = ""
    label: str = ""


@dataclass(frozen=True)
class Issue:
    """A row of `label_issues.csv`.

    Attributes:
        entry: The photo in its source.
        names: Names of the photo in the file of corrections, the first of which new rows have: its path and its
            SHA-256, or the latter alone where other photos have nearly the same path.
        given: The label that the source gives.
        action: The suggested action.
        label: The suggested label; empty if the photo is to be left out.
        kind: The kind of issue, such as `label` or `contradiction`.
        note: The reason in words.
        confidence: Probability of the given label, 0..1; None where that isn't the reason.
    """

    entry: Entry
    names: tuple[str, ...]
    given: str
    action: str
    label: str
    kind: str
    note: str
    confidence: float | None

    @property
    def path(self) -> str:
        """Path of the photo in its source."""
        return self.entry.path

    def in_words(self, row: Row) -> str:
        """Says what a row of the file of corrections does to the photo."""
        if row["action"] == LEAVE_OUT:
            return "left out"
        return f"{'kept as' if row['label'] == self.given else 'relabelled as'} {row['label']}"


@dataclass
class Review:
    """The issues that a run of `data_quality` has found, and the user's decisions.

    Attributes:
        parameters: How the photos were ingested; `corrections` is the file of the decisions.
        source: The photos.
        bit_depth: Bits that 16-bit photos use; None where there are none.
        issues: The issues, by the path of their photo.
        warnings: Sentences about what doesn't fit together.
        history: The issue of each decision, with the row that it has replaced, if any.
    """

    parameters: IngestionParameters
    source: Source
    bit_depth: int | None
    issues: dict[str, Issue]
    warnings: list[str] = field(default_factory=list)
    history: list[tuple[Issue, Row | None]] = field(default_factory=list)

    def photo(self, path: str) -> bytes:
        """Reads the photo of an issue; returns a JPEG file, upright and without metadata.

        Raises:
            ParameterError: No issue is about this photo.
            SourceError: It can't be read any more.
        """
        entry, options = self.issue(path).entry, self.parameters.decoding(self.bit_depth, "stretch")
        try:
            _, image = read_image(self.source, entry, PHOTO_SIDE, 3, options)
        except ImageRejected as error:
            raise SourceError(f"{path} can't be shown: {error.reason}.") from error
        return jpeg(in_proportion(image), JPEG_QUALITY)

    def decide(self, decision: Decision) -> tuple[str, str]:
        """Writes a decision into the file of corrections, or takes the last one back.

        Returns:
            The effect in words; and the path of the photo to show next.

        Raises:
            ParameterError: There is no such photo or class, or nothing to undo.
            ProjectError: The file can't be read or written.
        """
        if decision.action == "undo":
            if not self.history:
                raise ParameterError("There is nothing to undo: no decision was made since this program started.")
            issue, earlier = self.history[-1]
            self._replace(issue, earlier)
            self.history.pop()
            return f"{issue.path}: undone", issue.path if issue.path in self.issues else self.next_open()
        issue, label = self.issue(decision.path), ""
        if decision.action == RELABEL:
            number = label_of(decision.label, self.source.class_names)
            if number is None:
                classes = listed(self.source.class_names, 20)
                raise ParameterError(f"There is no class {decision.label!r}. The classes are {classes}.")
            label = self.source.class_names[number]
        note = "reviewed: the label is right" if label == issue.given else "reviewed"
        if (decision.action, label) == (issue.action, issue.label):
            note = issue.note
        row = {"path": issue.names[0], "action": decision.action, "label": label, "note": note}
        self.history.append((issue, self._replace(issue, row)))
        return f"{issue.path}: {issue.in_words(row)}", self.next_open(issue.path)

    def issue(self, path: str) -> Issue:
        """Finds an issue by the path of its photo.

        Raises:
            ParameterError: No issue is about this photo.
        """
        if path not in self.issues:
            raise ParameterError(f"No row of label_issues.csv is about {path!r}. Load the page again.")
        return self.issues[path]

    def decided(self) -> dict[str, Row]:
        """Reads the decisions from the file; returns the row of each issue that has one, by the path of its photo."""
        rows = {form: row for row in reversed(self._rows()[0]) for form in _forms(row)}
        found = {path: next(filter(None, map(rows.get, issue.names)), None) for path, issue in self.issues.items()}
        return {path: row for path, row in found.items() if row}

    def next_open(self, path: str | None = None) -> str:
        """The photo of the next issue without a decision, beginning after a photo; if there is none, the next photo."""
        paths, decided = list(self.issues), self.decided()
        start = 0 if path is None else paths.index(path) + 1
        in_turn = paths[start:] + paths[:start]
        return next((path for path in in_turn if path not in decided), in_turn[0])

    def neighbours(self, path: str) -> tuple[str, str]:
        """The photos of the issues before and after one; empty at either end."""
        paths = ["", *self.issues, ""]
        place = paths.index(path, 1)
        return paths[place - 1], paths[place + 1]

    def _rows(self) -> tuple[list[Row], list[str]]:
        """Reads the file of corrections; returns its rows and its headers.

        Raises:
            CorrectionsError: It is no such file.
        """
        where = str(self.parameters.corrections)
        path = corrections_path(where)
        if not path.exists():
            return [], list(COLUMNS)
        read_corrections(self.parameters)
        table = parsed(path.read_bytes(), where, ",".join(COLUMNS))
        headers = [str(name) for name in table]
        return [dict(zip(headers, cells, strict=True)) for cells in table.itertuples(index=False)], headers

    def _replace(self, issue: Issue, row: Row | None) -> Row | None:
        """Replaces the rows about an issue by one, or by none; returns the first of those that were there."""
        rows, headers = self._rows()
        about = [not set(issue.names).isdisjoint(_forms(row)) for row in rows]
        place = [*about, True].index(True)
        earlier = rows[place] if any(about) else None
        kept = [other for other, is_about in zip(rows, about, strict=True) if not is_about]
        if row is not None:
            # A row that names the photo by its hash goes on to do so, and columns that corrections ignore stay.
            kept.insert(place, row if earlier is None else {**earlier, **row, "path": earlier["path"]})
        table = pd.DataFrame(kept, columns=list(dict.fromkeys([*headers, *COLUMNS])))
        with replace_atomically(corrections_path(str(self.parameters.corrections))) as partial:
            table.to_csv(partial, index=False, encoding="utf-8-sig")  # spreadsheets know UTF-8 by the mark
        return earlier


def _forms(row: Row) -> tuple[str, ...]:
    """Names that a row of the corrections file may stand for; none is empty."""
    return tuple(filter(None, Correction(0, row["path"].strip(), "", "").forms))
