"""The failures that a user can cause or fix, each with a one-line message.

Kedro prints a `click.ClickException` as a single `Error:` line and exits with 1, so everything that is
expected to go wrong is one of these. A message says what was given, what is allowed and what to do next.
"""

import errno
from collections.abc import Sequence

import click
from kedro.io import DatasetError


class ProjectError(click.ClickException):
    """Base of every expected failure of this project."""


class ParameterError(ProjectError):
    """A parameter is misspelt, has the wrong type, or is out of its range."""


class ConfigurationError(ProjectError):
    """An environment doesn't exist, or a file of the configuration can't be read."""


class SelectionError(ProjectError):
    """A run asks for a pipeline, a node, a tag, a dataset or a runner that doesn't exist."""


class SourceError(ProjectError):
    """A source of images can't be found, fetched, or understood."""


class CorrectionsError(ProjectError):
    """A file of corrections can't be read, or doesn't fit the images."""


class SplitError(ProjectError):
    """The requested split can't be made from the images there are."""


class BackboneError(ProjectError):
    """A pretrained base is unknown, or its weights can't be fetched or don't fit."""


class TrainingError(ProjectError):
    """Training can't go on, for instance because the loss is not a number."""


class ClusterError(ProjectError):
    """The machines of a cluster can't be reached, or can't do their work."""


class MissingInputError(ProjectError):
    """A run starts from something that hasn't been made yet."""


class StaleInputError(ProjectError):
    """A stored input was made with other parameters than the ones of this run."""


# Kedro wraps what a dataset raises, and then shows a traceback, unless it is a DatasetError already.
class ModelFileError(ProjectError, DatasetError):
    """A model file is missing, damaged, or doesn't keep the model contract."""


class WriteError(ProjectError, DatasetError):
    """A result can't be written: the disk is full, or the folder is read-only."""


class EnvironmentFilesError(ProjectError, DatasetError):
    """An environment of the configuration is missing, or can't be written where it is to be."""


class TuningError(ProjectError):
    """A search for better parameters can't be made, or found nothing."""


class DVCFileError(ProjectError):
    """`dvc.yaml` can't be written from the pipelines and the catalog, or is out of date."""


class ExportError(ProjectError):
    """A model can't be exported, or an exported file answers otherwise than the model."""


class ReproductionError(ProjectError):
    """DVC runs a stage with something that it couldn't reproduce."""


NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""Numbers of the errors of a file system that takes no more."""

_FORBIDDEN = {errno.EACCES, errno.EPERM}
_MEMORY = ("RESOURCE_EXHAUSTED", "OOM when", "std::bad_alloc", "MemoryError", "Unable to allocate")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says, in Python's words or a backend's, that there was no memory left."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _MEMORY)


def unwritable(place: object, error: OSError) -> WriteError:
    """The failure of a place that can't be written to."""
    return WriteError(
        f"{place} can't be written: {reason(error)}. Earlier results are unchanged. Free space or change the "
        "permissions (chmod u+w), and run again."
    )


def expected_failure(error: BaseException) -> ProjectError | None:
    """Finds the failure that ended a run among the exceptions that Kedro and others have wrapped around it.

    Args:
        error: The exception that ended the run.

    Returns:
        The first failure among its causes that a user can fix: one of this project's, a disk that is full, a missing
        right, or memory that has run out; None where it is a failure of the project itself.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ProjectError):
            return cause
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            return unwritable(cause.filename or "The result", cause)
        if isinstance(cause, OSError) and cause.errno in _FORBIDDEN:
            return ProjectError(
                f"{cause.filename}: {cause.strerror}. Change its permissions (chmod u+rw), and run again."
            )
        if is_out_of_memory(cause):
            return ProjectError(
                "There was not enough memory. Close other programs, or set a smaller ingestion.image_size or a smaller "
                "batch_size of the approach. Finished results are kept."
            )
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def first_line(error: BaseException) -> str:
    """The first line of a library's message without its full stop, or else the kind of error."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).removesuffix(".")


def reason(error: BaseException) -> str:
    """The system's reason for an error, without its number and path; else see `first_line`."""
    return getattr(error, "strerror", None) or first_line(error)


def plural(number: int, one: str, many: str = "") -> str:
    """The words that fit a number: those for one, or those for several, which by default end in an s."""
    return one if number == 1 else many or f"{one}s"


def quantity(number: int, noun: str, many: str = "") -> str:
    """A number with its noun, see `plural`."""
    return f"{number:,} {plural(number, noun, many)}"


def listed(words: Sequence[str], most: int = 5) -> str:
    """The first of some words and the number of the others, for messages."""
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more
