"""The tab that reviews labels: finds what is to be reviewed, and serves its page."""

import re
import shlex
from collections import Counter
from dataclasses import dataclass
from threading import Lock
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from kedro.io import CatalogProtocol

from dogs_vs_cats.app.review import Decision, Issue, Review
from dogs_vs_cats.app.serving import HEADERS
from dogs_vs_cats.errors import CorrectionsError, MissingInputError, ProjectError, listed
from dogs_vs_cats.images.correction_files import corrections_path, name_in_rows
from dogs_vs_cats.images.corrections import corrected_labels
from dogs_vs_cats.images.opening import open_for_training
from dogs_vs_cats.images.sources import Source
from dogs_vs_cats.parameters.command_line import as_yaml
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.reporting.html import environment

_VERSION = re.compile(r" \(SHA-256 [0-9a-f]+\)$")  # follows the name of a file of corrections in records


@dataclass(frozen=True)
class Reviewed:
    """The experiment that is reviewed.

    Attributes:
        catalog: Has its results.
        environment: Its environment, as `--env` names it; None without it.
        ingestion: The environment's parameters.
        wanted: The file of corrections that the user names, if any.
        experiment: The name of the experiment, where the user gives it instead of the environment's.
    """

    catalog: CatalogProtocol[Any, Any]
    environment: str | None
    ingestion: IngestionParameters
    wanted: str | None = None
    experiment: str | None = None

    @property
    def file(self) -> str:
        """The file of corrections: the one named, the environment's, the last run's, or one beside its parameters."""
        last = self._last_run()[0].corrections
        return self.wanted or self.ingestion.corrections or last or f"conf/{self.environment or 'base'}/corrections.csv"

    def command(self, corrections: str | None, *options: str) -> str:
        """The command that runs the experiment again, on the source of its last run.

        Args:
            corrections: The file of corrections.
            *options: Further options.
        """
        given = {"source": self._last_run()[0].source, "corrections": corrections}
        changed = [f"experiment={self.experiment}"] if self.experiment else []
        changed += [
            f"ingestion.{name}={as_yaml(value)}"
            for name, value in given.items()
            if value and value != getattr(self.ingestion, name)
        ]
        words = ["kedro", "run", *([f"--env={self.environment}"] if self.environment else [])]
        return shlex.join([*words, *([f"--params={','.join(changed)}"] if changed else []), *options])

    def open(self) -> Review:
        """Reads the issues, and opens the source that their photos are from.

        Raises:
            ProjectError: There are no issues, the source can't be opened, or the file is no file of corrections.
        """
        last, seed = self._last_run()
        look = self.command(last.corrections, "--pipelines=data_quality")
        if not all(map(self.catalog.exists, ("label_issues", "manifest", "ingestion_record"))):
            raise MissingInputError(f"There is no label_issues.csv to review yet. Create it with: {look}")
        source = open_for_training(last, seed)
        issues, lost = self._issues(source)
        warnings = []
        if lost:
            absent = listed(lost, 3)
            warnings.append(
                f"label_issues.csv names photos that the source lacks: {absent}. Create a new one with: {look}"
            )
        if not issues:
            nothing = "label_issues.csv has no rows: no photo needs a correction."
            raise MissingInputError(next(iter(warnings), nothing))
        parameters = last.model_copy(update={"corrections": self.file})
        bit_depth = self.catalog.load("ingestion_record")["bit_depth"]
        review = Review(parameters, source, bit_depth, issues, warnings)
        review.decided()  # which refuses what is no file of corrections
        try:
            if corrections_path(self.file).exists():
                corrected_labels(parameters, source)
        except CorrectionsError as error:
            warnings.append(f"A run would refuse the corrections. {error.message}")
        return review

    def _issues(self, source: Source) -> tuple[dict[str, Issue], list[str]]:
        """Reads the issues by the path of their photo; and paths that the source lacks."""
        entries = {entry.path: entry for entry in source.entries()}
        hashes = self.catalog.load("manifest").set_index("path")["sha256"]
        alike = Counter(map(name_in_rows, entries))
        rows = {row["path"]: row for row in self.catalog.load("label_issues").to_dict("records")}
        issues = {
            path: Issue(
                **{name: row[name] for name in ("action", "label", "kind", "note")},
                entry=entries[path],
                names=(*([path, name_in_rows(path)] if alike[name_in_rows(path)] == 1 else []), hashes.get(path, path)),
                given=source.class_names[entries[path].label],
                confidence=float(row["confidence"]) if row["confidence"] else None,
            )
            for path, row in rows.items()
            if path in entries
        }
        return issues, [path for path in rows if path not in entries]

    def _last_run(self) -> tuple[IngestionParameters, int]:
        """The parameters of ingestion and the seed that the issues are from; without a run, the environment's."""
        if not self.catalog.exists("ingestion_record"):
            return self.ingestion, 0
        made_with = dict(self.catalog.load("ingestion_record")["parameters"])
        seed = made_with.pop("seed")
        if made_with["corrections"]:
            made_with["corrections"] = _VERSION.sub("", made_with["corrections"])
        return IngestionParameters.model_validate(made_with), seed


class _Tab:
    """The review that is open, for one request at a time, and the HTML about it."""

    def __init__(self, reviewed: Reviewed) -> None:
        self._reviewed = reviewed
        self._review: Review | None = None
        self._lock = Lock()
        self._templates = environment("dogs_vs_cats.app")

    def page(self) -> str:
        """Opens the review anew, and returns the page with the first photo without a decision."""
        file = self._reviewed.file
        with self._lock:
            try:
                review = self._open()
                content = {"warnings": review.warnings, **_shown(review, review.next_open())}
            except ProjectError as error:
                content = {"warnings": [error.message], "issue": None}
            content |= {"file": file, "command": self._reviewed.command(file)}
        return self._templates.get_template("review.html.jinja").render(content)

    def issue(self, path: str) -> str:
        """Returns the part of the page that is about a photo."""
        with self._lock:
            content = _shown(self._current(), path)
        return self._templates.get_template("issue.html.jinja").render(content)

    def decide(self, decision: Decision) -> str:
        """Writes a decision, and returns the part of the page that is about the next photo."""
        with self._lock:
            effect, path = self._current().decide(decision)
            content = _shown(self._current(), path, effect)
        return self._templates.get_template("issue.html.jinja").render(content)

    def photo(self, path: str) -> bytes:
        """Returns the photo of an issue as a JPEG file."""
        with self._lock:
            review = self._current()
        return review.photo(path)

    def _current(self) -> Review:
        return self._review or self._open()

    def _open(self) -> Review:
        review = self._reviewed.open()
        if self._review:
            review.history = self._review.history
        self._review = review
        return review


def _shown(review: Review, path: str, effect: str = "") -> dict[str, Any]:
    """The variables of the template about a photo; `effect` is that of the last decision, in words."""
    found, decided = review.issue(path), review.decided()
    before, after = review.neighbours(path)
    return {
        "issue": found,
        "row": decided.get(path),
        "number": list(review.issues).index(path) + 1,
        "issues": len(review.issues),
        "decided": len(decided),
        "before": before,
        "after": after,
        "classes": review.source.class_names,
        "undoable": bool(review.history),
        "said": effect,
    }


def routes(reviewed: Reviewed) -> APIRouter:
    """Returns the page of the tab, its photos, and the address that takes decisions."""
    router, tab = APIRouter(prefix="/review"), _Tab(reviewed)

    @router.get("")
    def page() -> HTMLResponse:
        return HTMLResponse(tab.page(), headers=HEADERS)

    @router.get("/issue")
    def issue(path: str) -> HTMLResponse:
        return HTMLResponse(tab.issue(path))

    @router.post("/decision")
    def decide(decision: Decision) -> HTMLResponse:
        # Only JSON is taken, which a page from elsewhere can't send without permission.
        return HTMLResponse(tab.decide(decision))

    @router.get("/photo")
    def photo(path: str) -> Response:
        headers = {"Cache-Control": "private, max-age=600"}
        return Response(tab.photo(path), media_type="image/jpeg", headers=headers)

    return router
