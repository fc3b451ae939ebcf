"""Inputs that fight back: each is used as what it is, or refused with a reason, and nothing hangs."""

import os
import pickle
import re
import shutil
import socket
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DataCatalog, MemoryDataset

from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.images import opening
from dogs_vs_cats.images.reading import load_decoded, write_decoded
from dogs_vs_cats.images.sources import open_source
from dogs_vs_cats.pipelines.data_ingestion import nodes
from dogs_vs_cats.session.run import Run
from tests.conftest import PROJECT
from tests.images import hostile_corpus as corpus
from tests.images.hostile_corpus import Accepted, ArchiveCase, Either, FileCase, Ignored, Rejected
from tests.images.test_decoding import corners
from tests.pipelines.test_data_ingestion import ingest, jpeg, parameters

# No case may take longer than 30 seconds; here, hundreds of them together may not.
pytestmark = pytest.mark.timeout(30)


def settings(source: Path | str) -> Any:
    return parameters(source, image_size=24, max_pixels=corpus.MAX_PIXELS, near_duplicates="ignore")


def label_of(case: FileCase) -> int:
    """Cases take turns in two classes, so that a wrong label would be seen."""
    return len(case.name) % 2


def path_of(case: FileCase) -> str:
    return f"{('Cat', 'Dog')[label_of(case)]}/{case.name}"


def shown(path: str) -> str:
    """How tables show a path: none quotes a carriage return."""
    return path.replace("\r", r"\x0d")


def complaint(case: FileCase, row: Any, pixels: np.ndarray | None, reason: str | None) -> str:
    """The fault in the outcome of a case; empty if there is none."""
    if row is None and reason is None:
        return "" if isinstance(case.outcome, Ignored) else "disappeared without a reason"
    if reason is not None:
        fits = isinstance(case.outcome, Either) or (
            isinstance(case.outcome, Rejected) and re.search(case.outcome.reason, reason)
        )
        return "" if fits and "\n" not in reason else f"rejected: {reason}"
    used = case.outcome.used if isinstance(case.outcome, Either) else case.outcome
    if not isinstance(used, Accepted):
        return "wrongly accepted"
    if row.label != label_of(case):
        return "has a wrong label"
    if (row.width, row.height) != (used.width, used.height):
        return f"has a wrong size: {row.width}x{row.height}"
    expected = used.corners
    for corner, colour in corners(pixels).items() if expected is not None and pixels is not None else ():
        if expected is not None and not np.allclose(colour, expected[corner], atol=8):
            return f"has wrong colours: {corner} is {colour}"
    return ""


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_every_file_is_used_as_what_it_is_or_rejected_with_its_reason(tmp_path, kind):
    cases = corpus.file_cases()
    source = tmp_path / "photos"
    if kind == "folder":
        for case in cases:
            (source / path_of(case)).parent.mkdir(parents=True, exist_ok=True)
            (source / path_of(case)).write_bytes(case.data)
    else:
        # Names in archives are others' business: see the archives.
        cases = [case for case in cases if case.kind != "names"]
        with zipfile.ZipFile(source, "w") as archive:
            for case in cases:
                archive.writestr(path_of(case), case.data)
    images, usable, rejected, class_names, _ = nodes.read_images(settings(source), 0, tmp_path / "store")
    assert class_names == ["cat", "dog"]
    rows = {row.path: (row, images[place]) for place, row in enumerate(usable.itertuples())}
    reasons = dict(zip(rejected["path"], rejected["reason"], strict=True))
    assert len(rows) + len(reasons) == sum(not isinstance(case.outcome, Ignored) for case in cases)
    found = [
        f"{case.name!r} {text}"
        for case in cases
        if (text := complaint(case, *rows.get(shown(path_of(case)), (None, None)), reasons.get(shown(path_of(case)))))
    ]
    assert "\n".join(found) == ""
    assert sorted(item.name for item in tmp_path.iterdir()) == ["photos", "store"]


def archive_complaint(case: ArchiveCase, folder: Path) -> str:
    """Reads an archive; returns what is wrong with the outcome, empty if nothing is."""
    path = folder / "photos.zip"
    path.write_bytes(case.data)
    try:
        _, usable, rejected, class_names, _ = nodes.read_images(settings(path), 0, folder / "store")
        # Equal directories stand for equal members: the next case is to be read itself.
        shutil.rmtree(folder / "store")
    except ProjectError as error:
        return "" if case.refused is not None and re.search(case.refused, error.message) else f"refused: {error}"
    if case.refused:
        return "wrongly accepted"
    if case.classes is not None and tuple(class_names) != case.classes:
        return f"has wrong classes: {class_names}"
    if case.used is not None and set(usable["path"]) != set(case.used):
        return f"uses the wrong members: {sorted(usable['path'])[:9]}; rejected: {rejected.values.tolist()[:5]}"
    reasons = dict(rejected.values.tolist())
    for name, reason in case.rejected.items():
        if not re.search(reason, reasons.get(name, "")):
            return f"rejects {name} for another reason: {reasons.get(name)}"
    return ""


def test_every_archive_is_read_as_far_as_it_is_good_or_refused_with_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "ROOT", tmp_path / "project")
    (tmp_path / "work").mkdir()
    cases = corpus.archive_cases()
    found = [
        f"{case.kind}, {case.name!r}: {text}" for case in cases if (text := archive_complaint(case, tmp_path / "work"))
    ]
    assert "\n".join(found) == ""
    # Nothing was written anywhere but where decoded images and inner archives go.
    assert sorted(item.name for item in tmp_path.iterdir()) == ["project", "work"]
    assert {item.name for item in (tmp_path / "work").iterdir()} <= {"photos.zip", "store"}
    unpacked = [path for path in (tmp_path / "project").rglob("*") if path.is_file()]
    assert unpacked
    assert {str(path.parent.relative_to(tmp_path / "project")) for path in unpacked} == {"data/01_raw/unpacked"}
    assert {path.suffix for path in unpacked} == {".zip"}


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as plug, pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)  # the path of a socket is short
        plug.bind(path.name)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**27 + 1)


# Things in a folder: name, how each is made, and the reason that it is rejected for; "" where it is used.
THINGS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a link to the folder above": (lambda path: path.symlink_to(".."), "the same folder as the source itself"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "a broken symbolic link"),
    "a link to nothing.jpg": (lambda path: path.symlink_to("nothing"), "a broken symbolic link"),
    "a link to zeros without end.jpg": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "a link to a folder seen before": (lambda path: path.symlink_to("../Dog"), "the same folder as Dog"),
    "a pipe.jpg": (os.mkfifo, "not a regular file"),
    "a socket.jpg": (bind, "not a regular file"),
    "more than is ever read.jpg": (sparse, "too large: 134,217,729 bytes"),
    "a second name.jpg": (lambda path: path.hardlink_to(path.parent / "0.jpg"), "duplicate of Cat/0.jpg"),
}


def vanish(path: Path) -> None:
    path.unlink()


def become_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("x")


def become_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


# Files that are good photos when they are listed, and something else when they are read.
CHANGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "vanishes.jpg": (vanish, "vanished after it was listed"),
    "becomes another photo.jpg": (lambda path: path.write_bytes(jpeg(77)), "changed after it was listed"),
    "becomes empty.jpg": (lambda path: path.write_bytes(b""), "changed after it was listed"),
    "becomes a pipe.jpg": (become_pipe, "changed after it was listed"),
    "becomes a folder.jpg": (become_folder, "changed after it was listed"),
    "becomes a link to nothing.jpg": (become_link, "vanished"),
}


def test_what_is_no_file_or_does_not_stay_what_it_was(tmp_path):
    root = tmp_path / "photos"
    for number, name in enumerate(("Cat", "Dog")):
        (root / name).mkdir(parents=True)
        (root / name / "0.jpg").write_bytes(jpeg(number))
    for name, (make, _) in THINGS.items():
        make(root / "Cat" / name)
    for number, name in enumerate((*CHANGES, "grows.jpg")):
        (root / "Cat" / name).write_bytes(jpeg(10 + number))
    source = open_source(settings(root), tmp_path)
    for name, (change, _) in CHANGES.items():
        change(root / "Cat" / name)
    stop = threading.Event()

    def grow() -> None:
        with (root / "Cat/grows.jpg").open("ab", buffering=0) as file:
            while not stop.wait(0.0001):
                file.write(b"more")

    growing = threading.Thread(target=grow)
    growing.start()
    time.sleep(0.01)
    folder = tmp_path / "decoded"
    folder.mkdir()
    try:
        write_decoded(source, settings(root), folder)
    finally:
        stop.set()
        growing.join()
    decoded = load_decoded(folder, {})
    assert decoded.usable["path"].tolist() == ["Cat/0.jpg", "Dog/0.jpg"]
    reasons = dict(zip(decoded.rejected["path"], decoded.rejected["reason"], strict=True))
    for name, (_, reason) in (THINGS | CHANGES).items():
        assert re.search(reason, reasons.pop(f"Cat/{name}")), name
    assert reasons == {"Cat/grows.jpg": "changed after it was listed"}


def test_names_that_break_programs_come_through_every_table(tmp_path):
    names = [case for case in corpus.file_cases() if case.kind == "names"]
    for case in names:
        for folder, data in (("Cat", case.data), ("Dog", b"")):
            (tmp_path / "pets" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "pets" / folder / case.name).write_bytes(data)
    for number in range(10):
        (tmp_path / f"pets/Dog/{number}.jpg").write_bytes(jpeg(number))
    made = ingest(parameters(tmp_path / "pets", near_duplicates="ignore"), tmp_path)
    expected = {shown(f"Cat/{case.name}") for case in names} | {f"Dog/{number}.jpg" for number in range(10)}
    assert set(made["manifest"]["path"]) == expected
    assert made["manifest"]["class_name"].value_counts().to_dict() == {"cat": len(names), "dog": 10}
    assert set(made["rejected_images"]["path"]) == {shown(f"Dog/{case.name}") for case in names}


@pytest.mark.timeout(300)  # the import of Keras
def test_keras_runs_nothing_that_a_file_of_cifar_10_asks_for(tmp_path):
    # The one format in sight that is a pickle. Keras checks the archive's SHA-256, and lets arrays through alone.
    from keras.src.datasets.cifar import load_batch

    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(corpus.Trap()))
    with pytest.raises(pickle.UnpicklingError, match="Refusing to deserialize"):
        load_batch(tmp_path / "data_batch_1")


def test_the_password_to_a_source_comes_into_no_record_and_no_report(monkeypatch):
    secret = "https://user:geheim@example.org/photos.zip"
    assert nodes.made_with(settings(secret), 0)["source"] == "https://example.org/photos.zip"
    signed = "https://example.org/photos.zip?v=2&X-Amz-Credential=AKID&X-Amz-Signature=geheim"
    hidden = "https://example.org/photos.zip?v=2&X-Amz-Credential=***&X-Amz-Signature=***"
    assert nodes.made_with(settings(signed), 0)["source"] == hidden
    assert nodes.made_with(settings("s3://key:ge/heim@bucket/photos"), 0)["source"] == "s3://bucket/photos"
    for name in ("s3://bucket/photos@2x", "s3://arn:aws:s3:eu:1:accesspoint/pets/photos@2x"):
        assert nodes.made_with(settings(name), 0)["source"] == name
    monkeypatch.setattr(sys, "argv", ["/bin/kedro", "run", f"--params=ingestion.source={secret},seed=1"])
    catalog = DataCatalog({"run_record": MemoryDataset()})
    run = Run.__new__(Run)  # without the parameters, which matter to nothing here
    monkeypatch.setattr(run, "_globals", {"experiment": "any"}, raising=False)
    monkeypatch.setattr(run, "_experiment", "any", raising=False)
    run.describe(catalog)
    command = catalog.load("run_record")["command"]
    assert command == "kedro run --params=ingestion.source=https://example.org/photos.zip,seed=1"


def counts() -> Iterator[tuple[str, int, str]]:
    """Rows of the table in docs/reliability.md: kind, number of cases, outcome."""
    words = {Accepted: "used", Rejected: "rejected", Either: "used or rejected", Ignored: "ignored"}
    for outcomes_of in (
        [(case.kind, words[type(case.outcome)]) for case in corpus.file_cases()],
        [(case.kind, archive_words(case)) for case in corpus.archive_cases()],
    ):
        kinds: dict[str, Counter[str]] = {}
        for kind, word in outcomes_of:
            kinds.setdefault(kind, Counter())[word] += 1
        for kind, outcomes in kinds.items():
            text = ", ".join(f"{count} {word}" for word, count in outcomes.items())
            yield kind, outcomes.total(), next(iter(outcomes)) if len(outcomes) == 1 else text
    yield "entries in folders that are not files", len(THINGS), "rejected"
    yield "files that vanish or change while they are read", len(CHANGES) + 1, "rejected"


def archive_words(case: ArchiveCase) -> str:
    if case.refused:
        return "refused"
    if case.refused == "":
        return "read or refused"
    return "read, the bad members rejected" if case.rejected else "read"


def table(rows: Sequence[tuple[str, int, str]]) -> str:
    lines = ["| kind | cases | outcome |", "| --- | --- | --- |"]
    lines += [f"| {kind} | {count} | {words} |" for kind, count, words in rows]
    return "\n".join([*lines, f"| **all** | **{sum(count for _, count, _ in rows)}** | |"])


def test_the_documentation_counts_the_cases():
    rows = list(counts())
    assert sum(count for _, count, _ in rows) >= 500
    assert table(rows) in (PROJECT / "docs/reliability.md").read_text(encoding="utf-8"), table(rows)
