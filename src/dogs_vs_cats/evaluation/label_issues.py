"""The table of suspicious photos, in the form that `ingestion.corrections` takes."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation.image_quality import UNLIKE
from dogs_vs_cats.evaluation.label_errors import LabelErrors
from dogs_vs_cats.images.correction_files import LEAVE_OUT, RELABEL

COLUMNS = ["path", "action", "label", "note", "kind", "confidence"]
"""The first four are those of corrections, which ignore the others."""

APPLIED = "applied"
"""The kind of corrections in force."""

_RECOGNISABLE = {"tiny", "extreme shape"}
"""Kinds of junk whose label can be judged all the same."""


def list_issues(
    photos: pd.DataFrame,
    manifest: pd.DataFrame,
    errors: LabelErrors,
    copies: pd.DataFrame,
    junk: pd.DataFrame,
    class_names: Sequence[str],
) -> pd.DataFrame:
    """Lists the corrections in force, and what else could be corrected.

    After the corrections come contradictory copies, probable label errors, copies across splits, and junk. A copy
    across splits is to be left out, whatever its label. A photo that has a correction is decided: it isn't listed
    again, also where the correction confirms its label. So a user can take the table as the next file of corrections.

    Args:
        photos: The manifest's rows in use, with columns `path` and `label`.
        manifest: Column `path`; where there are corrections, those that `corrections.apply` adds.
        errors: All labels, judged.
        copies: See `copies.compare`.
        junk: See `image_quality.find_junk`.
        class_names: The classes, in the order of their labels.

    Returns:
        A row for each photo, with `COLUMNS`; the index is that of the manifest. `kind` is `applied` for the corrections
        in force. `confidence` is the probability of the given label, empty where it isn't the reason.
    """
    # Photos that are unlike the others may be the most valuable ones: a page shows them, and nobody leaves them out.
    useless = junk[junk["kind"] != UNLIKE]
    unrecognisable = useless.index[~useless["kind"].isin(_RECOGNISABLE)]
    crossing = dict(_crossing(photos, copies))
    wrong = [
        *_contradictions(photos, copies, class_names),
        *_label_errors(photos, errors, {*unrecognisable, *copies.index[copies["contradicts"]]}, class_names),
    ]
    rows = [
        *_applied(manifest, class_names),
        # With the right label it would still be a copy across splits, and a decided photo isn't listed again.
        *((row, _joined(issue, crossing[row]) if row in crossing else issue) for row, issue in wrong),
        *crossing.items(),
        *((row, _left_out(f"{kind}, {value:.3g}", kind)) for row, kind, value in useless.itertuples()),
    ]
    table = pd.DataFrame([issue for _, issue in rows], index=[row for row, _ in rows], columns=COLUMNS[1:])
    table = table[~table.index.duplicated()]
    table.insert(0, "path", manifest.loc[table.index, "path"])
    return table


def _applied(manifest: pd.DataFrame, class_names: Sequence[str]) -> Iterator[tuple[Any, dict[str, Any]]]:
    if "correction" not in manifest:
        return
    applied = manifest[manifest["correction"] != ""]
    for row, action, label, note in zip(
        applied.index, *(applied[it] for it in ("correction", "label", "note")), strict=True
    ):
        name = class_names[label] if action == RELABEL else None
        yield row, {"action": action, "label": name, "note": note, "kind": APPLIED}


def _contradictions(
    photos: pd.DataFrame, copies: pd.DataFrame, class_names: Sequence[str]
) -> Iterator[tuple[Any, dict[str, Any]]]:
    for _, group in copies[copies["contradicts"]].groupby("copies", sort=False):
        right = group.index[group["label"] == group["likely"]][0]
        for row in group.index[group["label"] != group["likely"]]:
            given, likely = (class_names[label] for label in group.loc[row, ["label", "likely"]])
            note = f"labelled {given}, but a copy, {photos.loc[right, 'path']}, is labelled {likely}"
            yield row, {"action": RELABEL, "label": likely, "note": note, "kind": "contradiction"}


def _label_errors(
    photos: pd.DataFrame, errors: LabelErrors, without: set[Any], class_names: Sequence[str]
) -> Iterator[tuple[Any, dict[str, Any]]]:
    given = photos.loc[errors.ranking.index, "label"]
    suspect = errors.ranking[(errors.ranking["likely"] != given) & ~errors.ranking.index.isin(list(without))]
    for row in suspect.itertuples():
        likely, label = class_names[row.likely], class_names[given[row.Index]]
        note = f"labelled {label}, looks like {likely}"
        issue = {"action": RELABEL, "label": likely, "note": note, "kind": "label"}
        yield row.Index, {**issue, "confidence": round(row.own, 4)}


def _crossing(photos: pd.DataFrame, copies: pd.DataFrame) -> Iterator[tuple[Any, dict[str, Any]]]:
    for _, group in copies[copies["crosses"]].groupby("copies", sort=False):
        kept = group.index[group["kept"]][0]
        for row in group.index[~group["kept"]]:
            splits = f"in {group.loc[row, 'split']}, with a copy in {group.loc[kept, 'split']}"
            yield row, _left_out(f"{splits}: {photos.loc[kept, 'path']}", "copy")


def _joined(issue: dict[str, Any], crossing: dict[str, Any]) -> dict[str, Any]:
    return {**issue, **crossing, "note": f"{issue['note']}; {crossing['note']}", "kind": issue["kind"]}


def _left_out(note: str, kind: str) -> dict[str, Any]:
    return {"action": LEAVE_OUT, "label": None, "note": note, "kind": kind}
