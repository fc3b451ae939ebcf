"""The table of suspicious photos, in the form that `ingestion.corrections` takes."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation.image_quality import UNLIKE
from dogs_vs_cats.evaluation.label_errors import LabelErrors

COLUMNS = ["path", "action", "label", "note", "kind", "confidence"]
"""The first four are those of corrections, which ignore the others."""


def list_issues(
    photos: pd.DataFrame, errors: LabelErrors, copies: pd.DataFrame, junk: pd.DataFrame, class_names: Sequence[str]
) -> pd.DataFrame:
    """Lists what could be corrected: contradictory copies, then probable label errors, copies across splits, and junk.

    Args:
        photos: Columns `path` and `label`.
        errors: All labels, judged.
        copies: See `copies.compare`.
        junk: See `image_quality.find_junk`.
        class_names: The classes, in the order of their labels.

    Returns:
        A row for each photo, with `COLUMNS`; the index is that of the photos. `confidence` is the probability of the
        given label, empty where it isn't the reason.
    """
    # Photos that are unlike the others may be the most valuable ones: a page shows them, and nobody leaves them out.
    useless = junk[junk["kind"] != UNLIKE]
    rows = [
        *_contradictions(photos, copies, class_names),
        *_label_errors(photos, errors, {*useless.index, *copies.index[copies["contradicts"]]}, class_names),
        *_crossing(photos, copies),
        *((row, _left_out(f"{kind}, {value:.3g}", kind)) for row, kind, value in useless.itertuples()),
    ]
    table = pd.DataFrame([issue for _, issue in rows], index=[row for row, _ in rows], columns=COLUMNS[1:])
    table = table[~table.index.duplicated()]
    table.insert(0, "path", photos.loc[table.index, "path"])
    return table


def _contradictions(
    photos: pd.DataFrame, copies: pd.DataFrame, class_names: Sequence[str]
) -> Iterator[tuple[Any, dict[str, Any]]]:
    for _, group in copies[copies["contradicts"]].groupby("copies", sort=False):
        right = group.index[group["label"] == group["likely"]][0]
        for row in group.index[group["label"] != group["likely"]]:
            given, likely = (class_names[label] for label in group.loc[row, ["label", "likely"]])
            note = f"labelled {given}, but a copy, {photos.loc[right, 'path']}, is labelled {likely}"
            yield row, {"action": "relabel", "label": likely, "note": note, "kind": "contradiction"}


def _label_errors(
    photos: pd.DataFrame, errors: LabelErrors, without: set[Any], class_names: Sequence[str]
) -> Iterator[tuple[Any, dict[str, Any]]]:
    given = photos.loc[errors.ranking.index, "label"]
    suspect = errors.ranking[(errors.ranking["likely"] != given) & ~errors.ranking.index.isin(list(without))]
    for row in suspect.itertuples():
        likely, label = class_names[row.likely], class_names[given[row.Index]]
        note = f"labelled {label}, looks like {likely}"
        issue = {"action": "relabel", "label": likely, "note": note, "kind": "label"}
        yield row.Index, {**issue, "confidence": round(row.own, 4)}


def _crossing(photos: pd.DataFrame, copies: pd.DataFrame) -> Iterator[tuple[Any, dict[str, Any]]]:
    for _, group in copies[copies["crosses"]].groupby("copies", sort=False):
        kept = group.index[group["kept"]][0]
        for row in group.index[~group["kept"]]:
            splits = f"in {group.loc[row, 'split']}, with a copy in {group.loc[kept, 'split']}"
            yield row, _left_out(f"{splits}: {photos.loc[kept, 'path']}", "copy")


def _left_out(note: str, kind: str) -> dict[str, Any]:
    return {"action": "leave_out", "label": None, "note": note, "kind": kind}
