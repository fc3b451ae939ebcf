"""The file of corrections: its rows, which images they mean, and what is wrong with them."""

import hashlib
import logging
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dogs_vs_cats.errors import CorrectionsError, SourceError, listed, plural, quantity, reason
from dogs_vs_cats.images.sources.names import composed, label_of
from dogs_vs_cats.images.sources.table_files import as_path, parsed
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.project import ROOT, resolve

logger = logging.getLogger(__name__)

RELABEL, LEAVE_OUT = ACTIONS = ("relabel", "leave_out")

COLUMNS = ("path", "action", "label", "note")
"""The columns of the file; `note` may be missing, and others are ignored."""

_RESULTS = "data/08_reporting"
_HASH = re.compile("[0-9a-f]{64}")
_SHOWN = 3


class Correction(NamedTuple):
    """One row of the file.

    Attributes:
        row: Its number, counted with the headers.
        name: Path of the image in its source, or its SHA-256.
        action: `relabel` or `leave_out`, unless it is a mistake.
        label: Name of the right class, which may be the given one; empty if there is none.
        note: Why, if the user says so.
    """

    row: int
    name: str
    action: str
    label: str
    note: str = ""

    @property
    def forms(self) -> tuple[str, ...]:
        """Readings of the name: a path as it is, one with other slashes (both as of `name_in_rows`), or a hash."""
        return name_in_rows(self.name), name_in_rows(as_path(self.name, "")), self.name.lower()

    @property
    def is_hash(self) -> bool:
        """Whether the name is a SHA-256."""
        return _HASH.fullmatch(self.name.lower()) is not None


@dataclass(frozen=True)
class Corrections:
    """The content of a file of corrections.

    Attributes:
        where: The file, as `ingestion.corrections` names it; empty without one.
        version: The file and the beginning of its SHA-256.
        rows: Its rows.
    """

    where: str = ""
    version: str = ""
    rows: list[Correction] = field(default_factory=list)


NO_CORRECTIONS = Corrections()
"""There is no file."""


def name_in_rows(path: str) -> str:
    """The name by which rows are compared with a path: without outer blanks, which cells lose, and in composed form."""
    return composed(path).strip()


def corrections_path(where: str) -> Path:
    """Returns the path of a file of corrections, which may not exist yet.

    Args:
        where: The file, relative to the project's root.

    Raises:
        CorrectionsError: It is a result of a run, which the next run replaces.
    """
    path = resolve(where, ROOT)
    if path.resolve().is_relative_to((ROOT / _RESULTS).resolve()):
        raise CorrectionsError(
            f"ingestion.corrections is {where}, a result that the next run would replace. Copy it to a file of your "
            "own, such as corrections.csv, delete the rows that you disagree with, and set that path."
        )
    return path


def read_corrections(ingestion: IngestionParameters) -> Corrections:
    """Reads the file of corrections, if there is one. Its rows are checked by `find`.

    Args:
        ingestion: Uses `corrections`, relative to the project's root.

    Raises:
        CorrectionsError: It can't be read, lacks a column, or is a result of a run, which the next run replaces.
    """
    where = ingestion.corrections
    if where is None:
        return NO_CORRECTIONS
    path = corrections_path(where)
    try:
        data = path.read_bytes()
        table = parsed(data, where, ",".join(COLUMNS))
    except (OSError, ValueError) as error:
        raise CorrectionsError(
            f"ingestion.corrections is {where}, which can't be read: {reason(error)}. Set the path of a .csv file "
            f"with the columns {','.join(COLUMNS)}, or null."
        ) from error
    except SourceError as error:
        raise CorrectionsError(error.message) from error
    if lacking := [name for name in COLUMNS[:3] if name not in table]:
        raise CorrectionsError(
            f"{where} lacks the {plural(len(lacking), 'column')} {listed(lacking)}; its first line is "
            f"{listed([str(name) for name in table], 8)}. It should be {','.join(COLUMNS)}."
        )
    cells = zip(*(table[name].str.strip() for name in COLUMNS if name in table), strict=True)
    rows = [Correction(number + 2, *row) for number, row in zip(table.index, cells, strict=True)]
    return Corrections(where, f"{where} (SHA-256 {hashlib.sha256(data).hexdigest()[:16]})", rows)


def find(
    corrections: Corrections,
    paths: Sequence[str],
    hashes: Sequence[str] | None,
    unusable: Set[str],
    class_names: Sequence[str],
) -> dict[int, Correction]:
    """Finds the images that are corrected.

    Args:
        corrections: The content of the file.
        paths: Path of each image.
        hashes: SHA-256 of each image; None before the images are read, when no correction is refused for its hash.
        unusable: Paths of images that can't be used; their corrections have no effect.
        class_names: Names of the classes, by label.

    Returns:
        The correction of each image that has one, by the number of the image.

    Raises:
        CorrectionsError: Rows are wrong. The message has a line for each kind of mistake.
    """
    found, unclear, unknown = _matched(corrections.rows, paths, hashes or ())
    rejected = {name_in_rows(path) for path in unusable}
    without_use = [row for row in unknown if not rejected.isdisjoint(row.forms)]
    lost = [row for row in unknown if rejected.isdisjoint(row.forms)]
    if hashes is None:
        lost = [row for row in lost if not row.is_hash]
    problems = [
        *_wrong_rows(corrections.rows, class_names),
        *_lost(lost, paths),
        *_unclear(unclear),
        *_repeated(found, paths),
    ]
    if len(problems) == 1:
        raise CorrectionsError(f"{corrections.where}: {problems[0]} Nothing was corrected.")
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise CorrectionsError(
            f"{corrections.where} has {len(problems)} kinds of mistakes, and nothing was corrected:\n{lines}"
        )
    if without_use and hashes is not None:
        logger.warning(
            "%s: %s no effect, because the image can't be used; rejected_images.csv lists the reasons.",
            *(corrections.where, _rows(without_use, "name", "has", "have")),
        )
    return {number: rows[0] for number, rows in found.items()}


def _matched(
    rows: Sequence[Correction], paths: Sequence[str], hashes: Sequence[str]
) -> tuple[dict[int, list[Correction]], list[tuple[Correction, list[str]]], list[Correction]]:
    """Returns the corrections of each image, by its number; those that fit several paths; and those of no image."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, name in [*enumerate(map(name_in_rows, paths)), *enumerate(hashes)]:
        numbers[name].append(number)
    found: dict[int, list[Correction]] = defaultdict(list)
    unclear: list[tuple[Correction, list[str]]] = []
    unknown: list[Correction] = []
    for row in rows:
        named = next(filter(None, map(numbers.get, row.forms)), [])
        if len(named) > 1 and not row.is_hash:
            named = [number for number in named if paths[number].strip() == as_path(row.name, "")] or named
        if len(named) > 1 and not row.is_hash:
            unclear.append((row, [paths[number] for number in named]))
        elif named:
            for number in named:
                found[number].append(row)
        elif row.name:
            unknown.append(row)
    return found, unclear, unknown


def _wrong_rows(rows: Sequence[Correction], class_names: Sequence[str]) -> Iterator[str]:
    """Describes rows that are wrong whatever images there are, in a sentence for each kind of mistake."""
    classes = f"The classes are {listed(class_names, 20)}."
    relabelled = [row for row in rows if row.action == RELABEL]
    unnamed = [row for row in rows if not row.name]
    unknown = [row for row in rows if row.action not in ACTIONS]
    unlabelled = [row for row in relabelled if not row.label]
    unclassed = [row for row in relabelled if row.label and label_of(row.label, class_names) is None]
    if unnamed:
        yield f"{_rows(unnamed, '', 'has', 'have')} no path. Write the path of an image, or its hash."
    if unknown:
        yield f"{_rows(unknown, 'action', 'has', 'have')} an action that doesn't exist. Allowed are {listed(ACTIONS)}."
    if unlabelled:
        yield f"{_rows(unlabelled, 'name', 'has', 'have')} no label, and {RELABEL} needs one. {classes}"
    if unclassed:
        yield f"{_rows(unclassed, 'label', 'has', 'have')} a label that is no class. {classes}"


def _lost(rows: Sequence[Correction], paths: Sequence[str]) -> Iterator[str]:
    """Says which rows name no image of the source, and what there is."""
    if not rows:
        return
    name = posixpath.basename(as_path(rows[0].name, ""))
    alike = [path for path in paths if posixpath.basename(path) == name]
    known = f"Paths and hashes are those of manifest.csv, such as {paths[0]}"
    hint = f"{name} is at {listed(alike, _SHOWN)}" if alike else known
    yield f"{_rows(rows, 'name', 'names', 'name')} no image of the source. {hint}; correct or delete such rows."


def _unclear(rows: Sequence[tuple[Correction, list[str]]]) -> Iterator[str]:
    """Says which rows name several images, whose paths differ only in outer blanks or in the form of their letters."""
    if rows:
        subject = _rows([row for row, _ in rows], "name", "names", "name")
        alike = listed([repr(path) for path in rows[0][1]])
        yield f"{subject} several images: {alike}. Name images by their SHA-256, see manifest.csv, instead of the path."


def _repeated(found: dict[int, list[Correction]], paths: Sequence[str]) -> Iterator[str]:
    """Says which images have several corrections, equal or different ones."""
    different: dict[bool, list[str]] = defaultdict(list)
    for number, rows in found.items():
        if len(rows) > 1:
            said = [f"row {row.row}: {row.action} {row.label}".strip() for row in rows]
            wanted = {row.label.casefold() if row.action == RELABEL else row.action for row in rows}
            different[len(wanted) > 1].append(f"{paths[number]} ({'; '.join(said)})")
    for contradictory, images in sorted(different.items()):
        kind = "contradictory corrections" if contradictory else "the same correction more than once"
        subject = quantity(len(images), "image has", "images have")
        yield f"{subject} {kind}: {listed(images, _SHOWN)}. Keep one row for each image."


def _rows(rows: Sequence[Correction], attribute: str, verb: str, verb_of_several: str) -> str:
    """Names rows, with the value that is wrong in each, as the subject of a sentence, and adds the verb."""
    values = [getattr(row, attribute) if attribute else "" for row in rows]
    shown = [f"{row.row} ({value})" if value else str(row.row) for row, value in zip(rows, values, strict=True)]
    return f"{plural(len(rows), 'Row')} {listed(shown, _SHOWN)} {plural(len(rows), verb, verb_of_several)}"
