"""Sources of images. `open_source` opens any of them; `base.Source` describes them."""

import zipfile
from pathlib import Path

from dogs_vs_cats.errors import SourceError, listed, reason
from dogs_vs_cats.images.sources.archive import ZipSource, check_sha256
from dogs_vs_cats.images.sources.arrays import idx_source, is_idx_name, keras_source
from dogs_vs_cats.images.sources.base import Entry, ImageReadError, Source, fingerprint
from dogs_vs_cats.images.sources.files import FolderSource, listed_paths, table_source
from dogs_vs_cats.images.sources.groups import groups_of
from dogs_vs_cats.images.sources.names import has_image_name
from dogs_vs_cats.images.sources.reading import as_value
from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.parameters.ingestion import LABEL_SUFFIXES, IngestionParameters
from dogs_vs_cats.project import resolve

__all__ = ["Entry", "ImageReadError", "Source", "fingerprint", "open_source"]

DOWNLOADS = "data/01_raw/downloads"
"""Folder of downloaded archives, relative to the project root."""

UNPACKED = "data/01_raw/unpacked"
"""Folder of archives that were found in archives, relative to the project root."""

CLOUD = ("s3://", "gs://", "az://")
"""How addresses in object storage begin."""

ALLOWED_SOURCES = (
    "Allowed are sample, a folder, a .zip file or a folder in it (photos.zip/color), a .csv table of images and "
    "labels, each of these in object storage (s3://bucket/photos), an http(s) address of a zip, keras:mnist, "
    "keras:fashion_mnist and keras:cifar10; relative paths count from the project root"
)
ALLOWED_UNLABELLED = (
    "Allowed are a folder, a .zip file and an image file, each of these in object storage (s3://bucket/photos), the "
    "http(s) address of a .zip, and a .txt or .csv list"
)


def open_source(ingestion: IngestionParameters, project_root: Path, *, labelled: bool = True, seed: int = 0) -> Source:
    """Detects the kind of `ingestion.source`, opens the source and lists it. No image is opened.

    Args:
        ingestion: Uses `source`, `classes`, `images`, `columns`, `group`, `sha256`, and for sample images the sizes
            of the splits, `image_size` and `channels`.
        project_root: Where relative paths begin, and below which downloads are kept.
        labelled: False takes every image in a folder, a zip, a single file or a list, without labels (-1).
        seed: Seed of the sample images.

    Returns:
        A source, to be used as a context manager.

    Raises:
        SourceError: The source is unknown, missing, unreadable, not the expected file, or has no two classes.
        SplitError: The number of sample images is given as a fraction.
    """
    source = _open(ingestion, project_root, labelled, seed)
    if not labelled:
        if not source.entries() and not source.rejected:
            raise SourceError(f"There are no images in {without_credentials(ingestion.source)}. {ALLOWED_UNLABELLED}.")
    else:
        if ingestion.classes is not None:
            source.select(ingestion.classes)
        _check_parts(source)
        source.groups = groups_of(source, ingestion.group)
    return source


def _open(ingestion: IngestionParameters, project_root: Path, labelled: bool, seed: int) -> Source:
    name = ingestion.source
    path = resolve(name, project_root)
    images = _folder_of_images(path, ingestion, project_root) if labelled else None
    archive, inside = _archive(ingestion, path, project_root)
    if archive is not None:
        return ZipSource(archive, ingestion, labelled=labelled, unpack_to=project_root / UNPACKED, inside=inside)
    if ingestion.sha256 is not None:
        raise SourceError(
            "ingestion.sha256 can be checked for a zip file or its address, not for "
            f"{without_credentials(name)}; set it to null."
        )
    if name.startswith(CLOUD):
        from dogs_vs_cats.images.sources.cloud import CloudFolder

        return CloudFolder(name, ingestion, labelled=labelled)
    if name.startswith("keras:"):
        return keras_source(name.removeprefix("keras:"))
    if name != "sample":
        return _open_path(path, ingestion, labelled, images)
    if not labelled:
        raise SourceError(f"The source sample is drawn for training only. {ALLOWED_UNLABELLED}.")
    from dogs_vs_cats.images.sources.sample import SampleSource, sample_count

    return SampleSource(sample_count(ingestion), ingestion.image_size, ingestion.channels, seed)


def _folder_of_images(path: Path, ingestion: IngestionParameters, project_root: Path) -> Path | None:
    """The folder that `ingestion.images` names; refuses one beside a source that is no table on disk."""
    if ingestion.images is None:
        return None
    folder = resolve(ingestion.images, project_root)
    if path.suffix.lower() not in LABEL_SUFFIXES or not path.is_file():
        raise SourceError(
            f"ingestion.images is {ingestion.images}, the folder of the images that a table names. It works only with "
            f"a table on disk, and ingestion.source is {without_credentials(ingestion.source)}. Set ingestion.source "
            "to the .csv file, or ingestion.images to null."
        )
    if not folder.is_dir():
        raise SourceError(
            f"ingestion.images is {ingestion.images}, which is no folder ({folder}). Set it to the folder that the "
            f"paths in {path.name} are relative to, or to null for the folder of the table. Unpack archives first."
        )
    return folder


def _archive(ingestion: IngestionParameters, path: Path, project_root: Path) -> tuple[Path | None, str]:
    """Finds or downloads the zip file of a source, and checks it; see `_archive_and_folder`."""
    name, downloads = ingestion.source, project_root / DOWNLOADS
    if name.startswith(CLOUD):
        from dogs_vs_cats.images.sources.cloud import download_archive

        return download_archive(name, ingestion.sha256, downloads)
    if "://" in name:
        from dogs_vs_cats.images.sources.downloads import download

        return download(name, ingestion.sha256, downloads), ""
    archive, inside = _archive_and_folder(path)
    if archive is not None:
        check_sha256(archive, ingestion.sha256)
    return archive, inside


def _archive_and_folder(path: Path) -> tuple[Path | None, str]:
    """Divides `photos.zip/color/train` into the zip file and the folder in it; None for a path to anything else."""
    try:
        for place in (path, *path.parents):
            if place.is_file() and (place.suffix.lower() == ".zip" or zipfile.is_zipfile(place)):
                return place, "/".join(path.relative_to(place).parts)
            if place.exists():
                break
    except (OSError, ValueError):
        pass  # `_open_path` says why
    return None, ""


def _open_path(path: Path, ingestion: IngestionParameters, labelled: bool, images: Path | None) -> Source:
    allowed = ALLOWED_SOURCES if labelled else ALLOWED_UNLABELLED
    try:
        path.stat()
    except (OSError, ValueError) as error:
        name = "ingestion.source" if labelled else "inference.source"
        raise SourceError(
            f"The source {ingestion.source} can't be opened ({path}: {reason(error)}). Set another one by "
            f"--params={name}=PATH. {allowed}."
        ) from error
    if path.is_dir():
        folder = FolderSource(path, ingestion)
        idx_files = [name for name in folder.files if is_idx_name(name)]
        if idx_files and not any(map(has_image_name, folder.files)):
            return idx_source(path, idx_files)
        folder.arrange(str(path), labelled=labelled)
        return folder
    if labelled and path.suffix.lower() in LABEL_SUFFIXES and path.is_file():
        return table_source(path, ingestion, images or path.parent)
    if labelled:
        raise SourceError(
            f"The source {path} is neither a folder, a zip file nor a .csv table. Unpack other archives first, and "
            f"save other tables as .csv. {allowed}."
        )
    names = listed_paths(path) if path.suffix.lower() in (".txt", ".csv") else [path.name]
    return FolderSource(path.parent, ingestion, names)


def _check_parts(source: Source) -> None:
    """A class that only the test part has can't be learnt; more likely two spellings are meant to be one."""
    train, test = ({entry.label for entry in source.entries() if entry.part == part} for part in ("train", "test"))
    if train and not test <= train:
        names = listed([source.class_names[label] for label in sorted(test - train)])
        learnt = [source.class_names[label] for label in sorted(train)]
        select = f", or set {as_value(learnt)}" if len(learnt) > 1 and test & train else ""
        raise SourceError(
            f"The test part has classes that the training part lacks: {names} (training has {listed(learnt)}). "
            f"Rename them{select}."
        )
