"""The failures a user can cause or mend, each told in one clean message.

Kedro prints a `click.ClickException` as a single `Error:` line and exits with 1, so everything that is
expected to go wrong is one of these. A message says what was given, what is allowed and what to do next.
"""

import click
from kedro.io import DatasetError


class ProjectError(click.ClickException):
    """Base of every expected failure of this project."""


class ParameterError(ProjectError):
    """A parameter is misspelt, has the wrong type, or is out of its range."""


class SourceError(ProjectError):
    """A source of images can't be found, fetched, or understood."""


class SplitError(ProjectError):
    """The requested split can't be made from the images there are."""


class BackboneError(ProjectError):
    """A pretrained base is unknown, or its weights can't be fetched or don't fit."""


class TrainingError(ProjectError):
    """Training can't go on, for instance because the loss is not a number."""


class ClusterError(ProjectError):
    """The machines of a cluster can't be reached, or can't do their work."""


class StaleInputError(ProjectError):
    """A stored input was made with other parameters than the ones of this run."""


# Kedro wraps what a dataset raises, and then shows a traceback, unless it is a DatasetError already.
class ModelFileError(ProjectError, DatasetError):
    """A model file is missing, damaged, or doesn't keep the model contract."""


class WriteError(ProjectError, DatasetError):
    """A result can't be written: the disk is full, or the folder is read-only."""


class EnvironmentFilesError(ProjectError, DatasetError):
    """An environment of the configuration can't be written where it is to be."""


class TuningError(ProjectError):
    """A search for better parameters can't be made, or found nothing."""


class DVCFileError(ProjectError):
    """`dvc.yaml` can't be written from the pipelines and the catalog, or is out of date."""


class ReproductionError(ProjectError):
    """DVC runs a stage with something that it couldn't reproduce."""
