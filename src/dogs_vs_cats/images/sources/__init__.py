"""Sources of images. `open_source` opens any of them; `base.Source` describes them."""

import logging
import os
import zipfile
from collections import Counter
from pathlib import Path

from dogs_vs_cats.errors import SourceError, listed
from dogs_vs_cats.images.sources.archive import ZipSource, check_sha256
from dogs_vs_cats.images.sources.arrays import idx_source, is_idx_name, keras_source
from dogs_vs_cats.images.sources.base import UNLABELLED, Entry, ImageReadError, Source, fingerprint
from dogs_vs_cats.images.sources.files import FileSource, FolderListing, folder_source, list_source, single_file_source
from dogs_vs_cats.images.sources.layouts import (
    ALLOWED_LAYOUTS,
    arrange,
    counted_classes,
)
from dogs_vs_cats.images.sources.names import TABLE_SUFFIXES, has_image_name
from dogs_vs_cats.images.sources.reading import as_value
from dogs_vs_cats.images.sources.selection import SelectedClasses
from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.parameters.ingestion import IngestionParameters

logger = logging.getLogger(__name__)

__all__ = ["UNLABELLED", "Entry", "ImageReadError", "Source", "fingerprint", "open_source"]

DOWNLOADS = "data/01_raw/downloads"
"""Folder of downloaded archives, relative to the project root."""

UNPACKED = "data/01_raw/unpacked"
"""Folder of archives that were found in archives, relative to the project root."""

ALLOWED_SOURCES = (
    "Allowed are sample, a folder, a .zip file or a folder in it (photos.zip/color), an http(s) address of a zip, "
    "keras:mnist, keras:fashion_mnist and keras:cifar10; relative paths count from the project root"
)
ALLOWED_UNLABELLED = "Allowed are a folder, a .zip file or its http(s) address, an image file, and a .txt or .csv list"


def open_source(
    ingestion: IngestionParameters,
    project_root: Path,
    *,
    labelled: bool = True,
    sample_count: int | None = None,
    seed: int = 0,
) -> Source:
    """Detects the kind of `ingestion.source`, opens the source and lists it. No image is opened.

    Args:
        ingestion: Uses `source`, `classes`, `sha256`, and for sample images `image_size` and `channels`.
        project_root: Folder that relative paths count from, and below which downloads are kept.
        labelled: False takes every image in a folder, a zip, a single file or a list, without labels (-1).
        sample_count: How many sample images to draw; needed for the source `sample` only.
        seed: Seed of the sample images.

    Returns:
        A source, to be used as a context manager.

    Raises:
        SourceError: The source is unknown, missing, unreadable, not the expected file, or has no two classes.
    """
    source = _open(ingestion, project_root, labelled, sample_count, seed)
    if isinstance(source, FileSource | ZipSource):
        source.max_bytes = ingestion.max_bytes
    try:
        if labelled:
            if ingestion.classes is not None:
                source = _selected(source, ingestion.classes)
            _check_parts(source)
        elif not source.entries() and not source.rejected:
            raise SourceError(f"There are no images in {without_credentials(ingestion.source)}. {ALLOWED_UNLABELLED}.")
    except SourceError:
        source.__exit__(None, None, None)
        raise
    return source


def _open(
    ingestion: IngestionParameters, project_root: Path, labelled: bool, sample_count: int | None, seed: int
) -> Source:
    name = ingestion.source
    if "://" in name:
        from dogs_vs_cats.images.sources.downloads import download

        archive = download(name, ingestion.sha256, project_root / DOWNLOADS)
        return ZipSource(archive, labelled=labelled, unpack_to=project_root / UNPACKED, classes=ingestion.classes)
    if name == "sample":
        from dogs_vs_cats.images.sources.sample import SampleSource

        _refuse_sha256(ingestion)
        if sample_count is None:
            raise SourceError(f"The source sample is drawn for training only. {ALLOWED_UNLABELLED}.")
        return SampleSource(sample_count, ingestion.image_size, ingestion.channels, seed)
    if name.startswith("keras:"):
        _refuse_sha256(ingestion)
        return keras_source(name.removeprefix("keras:"))
    return _open_path(ingestion, project_root, labelled)


def _open_path(ingestion: IngestionParameters, project_root: Path, labelled: bool) -> Source:
    path = project_root / os.path.expanduser(ingestion.source)  # noqa: PTH111 (Path.expanduser fails for unknown users)
    path, inside = _archive_and_folder(path)
    allowed = ALLOWED_SOURCES if labelled else ALLOWED_UNLABELLED
    try:
        path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"The source {ingestion.source} can't be opened ({path}: {reason}). {allowed}.") from error
    suffix = path.suffix.lower()
    if path.is_file() and (suffix == ".zip" or _is_zip(path)):
        if ingestion.sha256 is not None:
            check_sha256(path, ingestion.sha256)
        unpack_to = project_root / UNPACKED
        return ZipSource(path, labelled=labelled, unpack_to=unpack_to, inside=inside, classes=ingestion.classes)
    _refuse_sha256(ingestion)
    if path.is_dir():
        return _open_folder(path, labelled, ingestion.classes)
    if not path.is_file():
        raise SourceError(f"The source {path} is neither a file nor a folder. {allowed}.")
    if labelled and suffix in TABLE_SUFFIXES:
        raise SourceError(
            f"The source {path} is a table, and tables of labels aren't read. Sort the images into one folder per "
            f"class and set ingestion.source to the folder above them. {ALLOWED_LAYOUTS}."
        )
    if labelled:
        raise SourceError(f"The source {path} is a file, but no zip file: unpack other archives first. {allowed}.")
    return list_source(path) if suffix in (".txt", ".csv") else single_file_source(path)


def _archive_and_folder(path: Path) -> tuple[Path, str]:
    """Divides `photos.zip/color/train` into the zip file and the folder in it; any other path stays whole."""
    for parent in path.parents:
        try:
            if parent.is_file() and _is_zip(parent):
                return parent, path.relative_to(parent).as_posix()
        except (OSError, ValueError):
            break
        if parent.is_dir():
            break
    return path, ""


def _open_folder(path: Path, labelled: bool, classes: list[str] | None) -> Source:
    listing = FolderListing(path)
    idx_files = [name for name in listing.tokens if is_idx_name(name)]
    if idx_files and not any(map(has_image_name, listing.tokens)):
        return idx_source(path, idx_files)
    return folder_source(listing, arrange(listing.tokens, str(path), listing.folders, classes, labelled=labelled))


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except OSError as error:
        raise SourceError(f"The source {path} can't be read: {error.strerror}.") from error


def _refuse_sha256(ingestion: IngestionParameters) -> None:
    if ingestion.sha256 is not None:
        raise SourceError(
            "ingestion.sha256 can be checked for a zip file or its address, "
            f"not for {ingestion.source}; set it to null."
        )


def _selected(source: Source, classes: list[str]) -> Source:
    selected = SelectedClasses(source, classes)
    if left_out := [name for name in source.class_names if name not in selected.class_names]:
        by_name = Counter(source.class_names[entry.label] for entry in source.entries())
        counts = Counter({index: by_name[name] for index, name in enumerate(left_out)})
        others = counted_classes(left_out, counts)
        logger.info("Ignored %s: ingestion.classes names other classes.", others)
    return selected


def _check_parts(source: Source) -> None:
    """A class that only the test part has can't be learnt; more likely two spellings are meant to be one."""
    labels = {part: {entry.label for entry in source.entries() if entry.part == part} for part in ("train", "test")}
    if unknown := labels["test"] - labels["train"] if labels["train"] else set():
        names = listed([source.class_names[label] for label in sorted(unknown)])
        learnt = [source.class_names[label] for label in sorted(labels["train"])]
        select = f", or set {as_value(learnt)}" if len(learnt) > 1 and labels["test"] & labels["train"] else ""
        raise SourceError(
            f"The test part has classes that the training part lacks: {names} (training has {listed(learnt)}). "
            f"Rename the folders{select}."
        )
