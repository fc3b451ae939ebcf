"""From files anywhere to a table of the model's predictions, and whether the photos look like its test photos."""

import logging
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.evaluation.drift import Sample, compare
from dogs_vs_cats.images.sources import open_source
from dogs_vs_cats.inference.classifiers import Classifier
from dogs_vs_cats.inference.journal import Answer, Journal
from dogs_vs_cats.inference.tables import kaggle_ids, predictions, report, submission
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.parameters.inference import InferenceParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.project import ROOT
from dogs_vs_cats.reporting import drift_findings

logger = logging.getLogger(__name__)

RESULTS = {"csv": "inference", "kaggle": "submission"}
"""Name of the result, by `inference.format`."""


def classify(
    inference: InferenceParameters,
    ingestion: IngestionParameters,
    compute: ComputeParameters,
    classifier: Classifier,
    journal_folder: Path,
) -> tuple[dict[str, pd.DataFrame], Journal]:
    """Classifies every file of a source; images are streamed.

    After each batch its answers are on disk. A run of the same source, model and settings continues after the last of
    them.

    Args:
        inference: The source and the kind of result.
        ingestion: Gives the options of the decoder, as for the training images.
        compute: How to compute.
        classifier: The model.
        journal_folder: The folder of the answers until the result is written.

    Returns:
        The result by its name (see `RESULTS`), and the journal, to be deleted once the result is written.

    Raises:
        ParameterError: No source is given, or the model can't make a submission.
        SourceError: The source can't be opened, has no images, or isn't named as Kaggle's test images are.
        ModelFileError: The model returns something that isn't a probability.
    """
    # It imports Keras and the decoders, which commands that only list the pipelines don't need.
    from dogs_vs_cats.inference.files import classify_files

    if inference.source is None:
        raise ParameterError(
            "inference.source is missing: name a folder, a .zip, an image or a list of paths: "
            "kedro run --pipelines=inference --params=inference.source=PATH"
        )
    logger.info(
        "Classifying %s with %s (experiment %s)",
        *(without_credentials(inference.source), classifier.name, classifier.experiment or "unknown"),
    )
    classes = classifier.classes
    reading = ingestion.model_copy(update={"source": inference.source, "sha256": None})
    with open_source(reading, ROOT, labelled=False) as source:
        paths = [entry.path for entry in source.entries()] + [path for path, _ in source.rejected]
        ids = kaggle_ids(paths, classes) if inference.format == "kaggle" else None
        journal = classify_files(source, classifier, reading, compute, journal_folder)
        refused: list[Answer] = [(reason, None, [0.0] * len(classes)) for _, reason in source.rejected]
    table = predictions(paths, chain(journal, refused), classes, inference.unsure_below)
    report(table)
    result = table if ids is None else submission(table, ids, classes)
    return {RESULTS[inference.format]: result}, journal


def judge_drift(inference: InferenceParameters, classifier: Classifier, journal: Journal) -> dict[str, Any]:
    """Says whether the photos look like those that the model was tested on.

    Args:
        inference: The source.
        classifier: The model.
        journal: Its answers.

    Returns:
        `source`, without credentials; `model` and `model_md5`, of its file; what `drift.compare` returns; and
        `verdict`, that in one sentence.
    """
    answers = [(probabilities, unfamiliar) for reason, unfamiliar, probabilities in journal if not reason]
    probabilities = np.array([row for row, _ in answers]).reshape(len(answers), len(classifier.classes))
    found = compare(Sample.of(probabilities, [flag for _, flag in answers]), classifier.tested, classifier.classes)
    for figure in drift_findings.figures(found):
        logger.info("%s: %s; test photos: %s", *figure)
    verdict = drift_findings.verdict(found)
    logger.log(logging.WARNING if found["drift"] else logging.INFO, verdict)
    about = {"source": without_credentials(str(inference.source)), "model": classifier.name}
    return {**about, "model_md5": classifier.model_md5, "verdict": verdict, **found}


def forget_journal(journal: Journal, *written: Mapping[str, Any]) -> None:
    """Deletes the journal: the result is written, and the next inference starts from the beginning.

    Args:
        journal: Answers of the inference that has just ended.
        *written: Results; they make this node run after they are on disk, and aren't read.
    """
    journal.path.unlink(missing_ok=True)
