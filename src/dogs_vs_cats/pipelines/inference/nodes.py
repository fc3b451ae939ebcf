"""From files anywhere to a table of what the model says about each."""

import hashlib
import json
import logging
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from dogs_vs_cats.errors import ModelFileError, ParameterError, SourceError, listed
from dogs_vs_cats.evaluation.predictions import every_class, shortest_decimals
from dogs_vs_cats.images.sources import Entry, Source, fingerprint, open_source
from dogs_vs_cats.inference.classifiers import Classifier
from dogs_vs_cats.inference.journal import Answer, Journal
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.inference import InferenceParameters
from dogs_vs_cats.parameters.ingestion import DecodingOptions, IngestionParameters
from dogs_vs_cats.progress import progress
from dogs_vs_cats.project import ROOT

logger = logging.getLogger(__name__)

RESULTS = {"csv": "inference", "kaggle": "submission"}
"""Name of the result, by `inference.format`."""

UNKNOWN = 0.5
"""What a submission says of a file that can't be read: Kaggle refuses one in which an id is missing."""

_CHUNK_ENTRIES = 16
_MOST_AT_ONCE = 1024
_NUMBERED = re.compile(r"(?:.*/)?([0-9]+)\.[^./]+", re.DOTALL)

Rows = Callable[[], Iterator[Sequence[Any]]]


def classify(
    inference: InferenceParameters,
    ingestion: IngestionParameters,
    compute: ComputeParameters,
    classifier: Classifier,
    journal_folder: Path,
) -> tuple[dict[str, Rows], Journal]:
    """Classifies every file of a source, in constant memory but for the list of the files.

    After each batch its answers are on disk. A run of the same source, model and settings goes on after the last of
    them.

    Args:
        inference: The source and the kind of result.
        ingestion: Gives the options of the decoder, as for the training images.
        compute: How to compute.
        classifier: The model.
        journal_folder: Where answers are kept until the result is written.

    Returns:
        The result by its name (see `RESULTS`), a function that yields its rows, the header first; and the journal,
        to be deleted once the result is written.

    Raises:
        ParameterError: No source is given.
        SourceError: The source can't be opened, has no images, or isn't named as Kaggle's test images are.
        ModelFileError: The model returns something that isn't a probability.
    """
    if inference.source is None:
        raise ParameterError(
            "inference.source is missing: say what is to be classified, a folder, a .zip, an image or a list of paths: "
            "kedro run --pipelines=inference --params=inference.source=PATH"
        )
    logger.info("Classifying %s with %s", inference.source, classifier.title)
    reading = ingestion.model_copy(update={"source": inference.source, "sha256": None})
    with open_source(reading, ROOT, labelled=False) as source:
        entries, refused = source.entries(), list(source.rejected)
        paths = [entry.path for entry in entries] + [path for path, _ in refused]
        ids = _kaggle_ids(paths, classifier.classes) if inference.format == "kaggle" else None
        journal = Journal(journal_folder / f"{_key(source, reading, compute, classifier)}.jsonl")
        _fill(journal, source, entries, reading, compute, classifier)

    def answers() -> Iterator[tuple[str, Answer]]:
        yield from zip((entry.path for entry in entries), journal, strict=True)
        yield from refused

    if ids is None:
        rows = _table(answers, classifier.classes, inference.unsure_below)
    else:
        rows = _submission(answers, ids, classifier.classes)
    return {RESULTS[inference.format]: rows}, journal


def forget_journal(journal: Journal, result: Mapping[str, Any]) -> None:
    """Drops the journal: the result is written, and the next inference starts afresh.

    Args:
        journal: Answers of the inference that has just ended.
        result: The result on disk; that there is one is all that matters.
    """
    journal.delete()


def _key(source: Source, reading: IngestionParameters, compute: ComputeParameters, classifier: Classifier) -> str:
    """Stands for everything the answers depend on."""
    import keras

    from dogs_vs_cats.compute.precision import dtype_policy
    from dogs_vs_cats.images import decoding

    made_of = [
        fingerprint(source),
        classifier.digest,
        reading.decoding(classifier.bit_depth),
        decoding.VERSION,
        keras.backend.backend(),
        dtype_policy(compute, classifier.model),
    ]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:32]


def _fill(
    journal: Journal,
    source: Source,
    entries: list[Entry],
    reading: IngestionParameters,
    compute: ComputeParameters,
    classifier: Classifier,
) -> None:
    """Classifies the files that the journal has no answer for."""
    from dogs_vs_cats.inference.prediction import predict_batches

    if journal.count:
        logger.info(
            "An inference of the same files by the same model was interrupted: %d of %d files are classified already",
            journal.count,
            len(entries),
        )
    shape = (classifier.image_size, classifier.image_size, classifier.channels)
    options = reading.decoding(classifier.bit_depth)
    waiting: deque[list[str | None]] = deque()

    def batches() -> Iterator[np.ndarray]:
        for outcomes in _groups(source, entries[journal.count :], options, shape):
            waiting.append([outcome if isinstance(outcome, str) else None for outcome in outcomes])
            pictures = [outcome for outcome in outcomes if not isinstance(outcome, str)]
            yield np.stack(pictures) if pictures else np.empty((0, *shape), np.uint8)

    with progress(f"Classifying with {classifier.name}", len(entries)) as advance:
        advance(journal.count)
        for output in predict_batches(classifier.with_features(), batches(), compute):
            reasons = waiting.popleft()
            answers = iter(_answers(output, classifier))
            journal.append([next(answers) if reason is None else reason for reason in reasons])
            advance(len(reasons))


def _groups(
    source: Source, entries: list[Entry], options: DecodingOptions, shape: tuple[int, int, int]
) -> Iterator[list[np.ndarray | str]]:
    """Reads files ahead; yields the pixels of a batch of them, with the reason in place of what can't be used."""
    # Decoders are imported with the first file, not by every command that only lists the pipelines.
    from dogs_vs_cats.compute.parallel import in_order
    from dogs_vs_cats.images.decoding import ImageRejected
    from dogs_vs_cats.images.reading import read_image
    from dogs_vs_cats.inference.predictor import BATCH_SIZE

    size, _, channels = shape

    def pixels(entry: Entry) -> np.ndarray | str:
        try:
            return read_image(source, entry, size, channels, options)[1].pixels
        except ImageRejected as error:
            return error.reason

    group: list[np.ndarray | str] = []
    pictures = 0
    for _, outcome in in_order(pixels, entries, _CHUNK_ENTRIES):
        group.append(outcome)
        pictures += not isinstance(outcome, str)
        if pictures == BATCH_SIZE or len(group) == _MOST_AT_ONCE:
            yield group
            group, pictures = [], 0
    if group:
        yield group


def _answers(outputs: np.ndarray, classifier: Classifier) -> Iterator[Answer]:
    """Answers for a batch, in the shortest decimals that name them, as in every table of predictions."""
    output, distances = classifier.split_outputs(outputs)
    if not (np.isfinite(output).all() and output.min(initial=0) >= 0 and output.max(initial=1) <= 1):
        raise ModelFileError(
            f"{classifier.name} returns values that are no probabilities, 0 to 1: its training diverged, or its last "
            "layer is neither a sigmoid nor a softmax. Choose another model (inference.model), or train it again."
        )
    rows = shortest_decimals(output).tolist()
    unfamiliar = [None] * len(rows) if distances is None else (distances > 1).tolist()
    for row, is_unfamiliar in zip(rows, unfamiliar, strict=True):
        yield {"probabilities": row, "out_of_distribution": is_unfamiliar}


def _table(
    answers: Callable[[], Iterator[tuple[str, Answer]]], classes: list[str], confidence_threshold: float | None
) -> Rows:
    """Rows of `inference.csv`: each file in the source's order, then what was refused while listing."""
    names = classes[1:] if len(classes) == 2 else classes

    def rows() -> Iterator[Sequence[Any]]:
        probabilities = [f"probability_{name}" for name in names]
        yield ["path", *probabilities, "predicted", "unsure", "out_of_distribution", "reason"]
        counts: Counter[str] = Counter()
        marks: Counter[str] = Counter()
        unread = 0
        for path, answer in answers():
            if isinstance(answer, str):
                unread += 1
                yield [path, *("" for _ in names), "", "", "", answer]
                continue
            every = every_class(np.array([answer["probabilities"]]))[0].tolist()
            predicted = classes[int(np.argmax(every))]
            is_unsure = confidence_threshold is not None and max(every) < confidence_threshold
            counts[predicted] += 1
            marks["unsure"] += is_unsure
            marks["unlike the training images"] += answer["out_of_distribution"] is True
            yield [
                path,
                *answer["probabilities"],
                predicted,
                json.dumps(is_unsure),
                "" if answer["out_of_distribution"] is None else json.dumps(answer["out_of_distribution"]),
                "",
            ]
        _report(counts, marks, unread)

    return rows


def _report(counts: Counter[str], marks: Counter[str], unread: int) -> None:
    parts = [*sorted(counts.items()), *((mark, count) for mark, count in marks.items() if count)]
    shares = listed([f"{count:,} {name}" for name, count in parts], most=12)
    logger.info("Classified %s files: %s", f"{counts.total():,}", shares or "none")
    if unread:
        logger.warning("%s files could not be classified; the column reason says why", f"{unread:,}")


def _kaggle_ids(paths: list[str], classes: list[str]) -> np.ndarray:
    """Ids of Kaggle's test images, which are their names.

    Raises:
        ParameterError: The model doesn't tell dogs from one other class.
        SourceError: A name is no number, or two files have the same.
    """
    if len(classes) != 2 or "dog" not in classes:
        raise ParameterError(
            "inference.format=kaggle writes the probability of a dog; this model tells apart "
            f"{', '.join(classes)}. Use inference.format=csv."
        )
    matches = [_NUMBERED.fullmatch(path) for path in paths]
    if None in matches:
        raise SourceError(
            f"inference.format=kaggle needs files named by their ids, such as test1/17.jpg; "
            f"{paths[matches.index(None)]} is not. Classify Kaggle's test1 folder or zip, or use inference.format=csv."
        )
    ids = np.array([int(cast(re.Match[str], match)[1]) for match in matches])
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        twice = unique[counts > 1][0]
        same = [path for path, number in zip(paths, ids, strict=True) if number == twice]
        raise SourceError(
            f"inference.format=kaggle needs one file for each id; {' and '.join(same[:2])} have the same. "
            "Remove one of them, or use inference.format=csv."
        )
    return ids


def _submission(answers: Callable[[], Iterator[tuple[str, Answer]]], ids: np.ndarray, classes: list[str]) -> Rows:
    """Rows of Kaggle's submission file, by id."""

    def rows() -> Iterator[Sequence[Any]]:
        labels = np.full(len(ids), UNKNOWN)
        unread = []
        for place, (path, answer) in enumerate(answers()):
            if isinstance(answer, str):
                unread.append(f"{path} ({answer})")
            else:
                labels[place] = every_class(np.array([answer["probabilities"]]))[0][classes.index("dog")]
        yield ["id", "label"]
        for place in np.argsort(ids):
            yield [int(ids[place]), float(labels[place])]
        logger.info("Wrote %s ids", f"{len(ids):,}")
        if unread:
            shown = "; ".join(unread[:5]) + ("; …" if len(unread) > 5 else "")
            logger.warning("%s files could not be classified and are given as %s: %s", len(unread), UNKNOWN, shown)

    return rows
