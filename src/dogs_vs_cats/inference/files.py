"""Classifies the files of a source, and continues where an earlier run was interrupted."""

import hashlib
import json
import logging
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from dogs_vs_cats.compute.precision import dtype_policy
from dogs_vs_cats.images import decoding
from dogs_vs_cats.images.decoding import DecodedImage
from dogs_vs_cats.images.pixels import read_batches, read_image
from dogs_vs_cats.images.sources import Entry, Source, fingerprint
from dogs_vs_cats.inference.classifiers import Classifier
from dogs_vs_cats.inference.journal import Journal
from dogs_vs_cats.inference.prediction import predict_batches
from dogs_vs_cats.inference.predictor import BATCH_SIZE
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.progress import progress

logger = logging.getLogger(__name__)


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
        ClusterError: The cluster can't be reached, or can't predict.
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
    size, channels = classifier.image_size, classifier.channels
    waiting: deque[list[str]] = deque()

    def read(entry: Entry) -> DecodedImage:
        return read_image(source, entry, size, channels, options)[1]

    def batches() -> Iterator[np.ndarray]:
        left = entries[journal.count :]
        source.prefetch(left)
        blank = np.zeros((size, size, channels), np.uint8)
        for reasons, images in read_batches(read, left, blank, BATCH_SIZE):
            waiting.append(reasons)
            yield images

    with progress(f"Classifying with {classifier.name}", len(entries)) as advance:
        advance(journal.count)
        for outputs in predict_batches(classifier.with_features(), batches(), compute):
            probabilities, unfamiliar = classifier.answers(outputs)
            journal.append(zip(waiting.popleft(), unfamiliar, probabilities.tolist(), strict=True))
            advance(len(outputs))
    return journal
