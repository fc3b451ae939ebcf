"""Classifies the files of a source, and continues where an earlier run was interrupted."""

import hashlib
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np

from dogs_vs_cats.compute import cluster
from dogs_vs_cats.compute.precision import dtype_policy
from dogs_vs_cats.images import decoding
from dogs_vs_cats.images.decoding import DecodedImage
from dogs_vs_cats.images.pixels import read_batches, read_image
from dogs_vs_cats.images.sources import Entry, Source, fingerprint
from dogs_vs_cats.inference.classifiers import Classifier
from dogs_vs_cats.inference.journal import Journal
from dogs_vs_cats.inference.prediction import predict_batches
from dogs_vs_cats.inference.predictor import predictor
from dogs_vs_cats.parameters.compute import BATCH_SIZE, ComputeParameters
from dogs_vs_cats.parameters.ingestion import DecodingOptions, IngestionParameters
from dogs_vs_cats.progress import progress

logger = logging.getLogger(__name__)

Outputs = tuple[list[str], np.ndarray]
"""Why each file of a batch can't be used, or "", and the model's outputs, float32 (m, outputs)."""


@dataclass(frozen=True)
class _Decoder:
    """How files become the images that a model takes."""

    image_size: int
    channels: int
    options: DecodingOptions

    def batches(self, source: Source, entries: Sequence[Entry]) -> Iterator[tuple[list[str], np.ndarray]]:
        """Yields, for each batch, why a file can't be used, or "", and the pixels."""
        source.prefetch(entries)
        blank = np.zeros((self.image_size, self.image_size, self.channels), np.uint8)

        def read(entry: Entry) -> DecodedImage:
            return read_image(source, entry, self.image_size, self.channels, self.options)[1]

        return read_batches(read, entries, blank, BATCH_SIZE)


def classify_files(
    source: Source, classifier: Classifier, reading: IngestionParameters, compute: ComputeParameters, folder: Path
) -> Journal:
    """Classifies all files of a source that its journal has no answer for; few images are in memory at once.

    Args:
        source: An open source.
        classifier: The model.
        reading: Gives the decoder's options, as for the training images.
        compute: How to compute.
        folder: The folder of the journals.

    Returns:
        An answer for each entry of the source.

    Raises:
        ModelFileError: The model returns something that isn't a probability.
        ClusterError: The cluster can't predict.
    """
    entries = source.entries()
    options = reading.decoding(classifier.bit_depth, classifier.fit)
    backend = [keras.backend.backend(), dtype_policy(compute, classifier.model)]
    depends_on = [fingerprint(source), classifier.digest, options, decoding.VERSION, *backend]
    journal = Journal(folder / f"{hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:32]}.jsonl")
    if journal.count:
        logger.info(
            "An inference of the same files by the same model was interrupted: %d of %d files are classified already",
            journal.count,
            len(entries),
        )
    decoder = _Decoder(classifier.image_size, classifier.channels, options)
    predict = _predict_on_cluster if cluster.connected() else _predict_here
    with progress(f"Classifying with {classifier.name}", len(entries)) as advance:
        advance(journal.count)
        left = entries[journal.count :]
        for reasons, outputs in predict(classifier.with_features(), source, left, decoder, compute):
            probabilities, unfamiliar = classifier.answers(outputs)
            journal.append(zip(reasons, unfamiliar, probabilities.tolist(), strict=True))
            advance(len(outputs))
    return journal


def _predict_here(
    model: keras.Model, source: Source, entries: Sequence[Entry], decoder: _Decoder, compute: ComputeParameters
) -> Iterator[Outputs]:
    waiting: deque[list[str]] = deque()

    def batches() -> Iterator[np.ndarray]:
        for reasons, images in decoder.batches(source, entries):
            waiting.append(reasons)
            yield images

    for outputs in predict_batches(model, batches(), compute):
        yield waiting.popleft(), outputs


def _predict_on_cluster(
    model: keras.Model, source: Source, entries: Sequence[Entry], decoder: _Decoder, compute: ComputeParameters
) -> Iterator[Outputs]:
    parts = source.parts(entries, BATCH_SIZE)
    return cluster.in_order(partial(_part_predictor, model, decoder, compute), parts, "classify photos")


def _part_predictor(model: keras.Model, decoder: _Decoder, compute: ComputeParameters) -> Callable[[Source], Outputs]:
    run = predictor(model, compute)

    def predict(part: Source) -> Outputs:
        with part:
            [(reasons, images)] = decoder.batches(part, part.entries())
        return reasons, run(images)

    return predict
