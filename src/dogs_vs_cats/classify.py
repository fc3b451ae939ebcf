"""Classifies photos where there is no project: `dogs-vs-cats classify PHOTOS --model=FILE`.

Only the runtime of the model's format is imported, so that an answer takes no longer than that needs to start.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from dogs_vs_cats.errors import SourceError, listed, quantity
from dogs_vs_cats.evaluation.probabilities import checked_probabilities, every_class
from dogs_vs_cats.export.description import Description
from dogs_vs_cats.export.runtimes import BATCH_SIZE, Run, open_file
from dogs_vs_cats.images.decoding import DecodedImage
from dogs_vs_cats.images.pixels import read_batches, read_image
from dogs_vs_cats.images.sources import Entry
from dogs_vs_cats.images.sources.files import FolderSource
from dogs_vs_cats.images.sources.names import as_text
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.progress import progress

UNREADABLE = 3
"""Exit status where a file can't be classified. click ends with 1 after an error, and with 2 after a wrong option."""

READING = IngestionParameters.model_construct(
    classes=None, max_pixels=250_000_000, min_side=4, max_bytes=268_435_456, bit_depth="auto"
)
"""The limits of `conf/base`, which isn't part of the package. The model's description has the rest."""


@dataclass(frozen=True)
class Answer:
    """The answer for a file.

    Attributes:
        path: Its path, relative to the same folder as the one on the command line.
        predicted: Name of the most probable class.
        probabilities: Probability of each class, by its name.
        reason: Why the file can't be classified; the other two are None then.
    """

    path: str
    predicted: str | None = None
    probabilities: dict[str, float] | None = None
    reason: str | None = None


class _Photo(NamedTuple):
    path: str
    source: FolderSource
    entry: Entry


@click.group()
def main() -> None:
    """Work without a project folder. In one, kedro has all commands."""


@main.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model",
    "file",
    required=True,
    type=click.Path(path_type=Path),
    help="A .keras, .onnx or .tflite file, or the folder of a SavedModel, as training and export write them.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def classify(photos: tuple[Path, ...], file: Path, form: str) -> None:
    """Classify PHOTOS: files, and folders with their sub-folders.

    The exit status is 3 if a file can't be classified.
    """
    found, refused = _find(photos)
    run, description = open_file(file)
    answers = [*_answers(found, run, description), *refused]
    if form == "json":
        click.echo(json.dumps([asdict(answer) for answer in answers], indent=2))
    else:
        click.echo("\n".join(_lines(answers)))
    if unreadable := sum(answer.reason is not None for answer in answers):
        click.echo(f"{unreadable:,} of {quantity(len(answers), 'file')} can't be classified", err=True)
        sys.exit(UNREADABLE)


def _find(photos: Sequence[Path]) -> tuple[list[_Photo], list[Answer]]:
    """Lists files and folders as inference does; also those files that can't be photos, with the reason."""
    if missing := [str(path) for path in photos if not os.access(path, os.F_OK)]:
        raise SourceError(f"There is no file or folder {listed(missing)}.")
    found: list[_Photo] = []
    refused: list[Answer] = []
    for path in photos:
        if path.is_dir():
            folder, source = path, FolderSource(path, READING)
            source.arrange(str(path), labelled=False)
        else:
            folder, source = path.parent, FolderSource(path.parent, READING, [path.name])
        shown = Path(as_text(str(folder)))
        found += [_Photo(str(shown / entry.path), source, entry) for entry in source.entries()]
        refused += [Answer(str(shown / name), reason=reason) for name, reason in source.rejected]
    if not (found or refused):
        raise SourceError(f"There are no photos in {listed([str(path) for path in photos])}.")
    return found, refused


def _answers(photos: Sequence[_Photo], run: Run, description: Description) -> Iterator[Answer]:
    classes, size, channels = description.classes, description.image_size, description.channels
    options = READING.decoding(description.bit_depth, description.fit)

    def read(photo: _Photo) -> DecodedImage:
        return read_image(photo.source, photo.entry, size, channels, options)[1]

    batches = read_batches(read, photos, np.zeros((size, size, channels), np.uint8), BATCH_SIZE)
    waiting = iter(photos)
    with progress("Classifying", len(photos)) as advance:
        for reasons, images in batches:
            outputs = checked_probabilities(run(images.astype(np.float32)), len(images), len(classes))
            for reason, row in zip(reasons, every_class(outputs), strict=True):
                path = next(waiting).path
                if reason:
                    yield Answer(path, reason=reason)
                else:
                    yield Answer(path, classes[row.argmax()], dict(zip(classes, row.tolist(), strict=True)))
            advance(len(images))


def _lines(answers: Iterable[Answer]) -> Iterator[str]:
    """A table with the path, the class and its probability, or the reason."""
    rows = [
        (answer.path, answer.predicted or "", f"{max(answer.probabilities.values()):.4f}")
        if answer.probabilities
        else (answer.path, "", answer.reason or "")
        for answer in answers
    ]
    head = ("photo", "class", "probability")
    width, named = (max(len(row[column]) for row in (head, *rows)) for column in (0, 1))
    for path, name, value in (head, *rows):
        yield f"{path:{width}}  {name:{named}}  {value}"
