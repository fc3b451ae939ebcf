"""Detects the images and the classes of a source from its paths alone.

Classes are folders (`PetImages/Cat/0.jpg`), or begin the names of files (Kaggle's `train/cat.0.jpg`); either may lie in
parts (`train/`, `test/`, `seg_train/`), at any depth. `reading.py` holds the rule, `names.py` the words.

The decoder decides whether a file of a class is an image. Names don't matter inside a class: a photo with a wrong
extension is used, and a text file named like an image is rejected with its reason. Only files of operating systems
(`Thumbs.db`, `.DS_Store`, `__MACOSX/`, hidden files) are ignored.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from dogs_vs_cats.errors import SourceError, listed
from dogs_vs_cats.images.sources.base import UNLABELLED
from dogs_vs_cats.images.sources.names import (
    ARCHIVE_SUFFIXES,
    DOCUMENT_SUFFIXES,
    IMAGE_SUFFIXES,
    PREDICTION,
    TABLE_SUFFIXES,
    TEST,
    TRAIN,
    VALIDATION,
    class_name_of,
    has_image_name,
    is_system_file,
    natural_key,
    part_of,
    suffix_of,
)
from dogs_vs_cats.images.sources.reading import Doubt, Reader, Reading, as_value, as_yaml
from dogs_vs_cats.images.sources.tree import Folder, tree_of

logger = logging.getLogger(__name__)

ALLOWED_LAYOUTS = (
    "Allowed are file names like train/cat.0.jpg (Kaggle's), or one sub-folder per class, two or more of them, "
    "like PetImages/Cat/0.jpg, each also below train/ and test/"
)
AN_ARCHIVE = "an archive, not an image: unpack it first"
NO_IMAGE_NAME = "not an image by its name"
SYSTEM = "system or hidden"

_MOST_SHOWN = 20


@dataclass
class Arrangement:
    """The files of a source that are used, with their classes and parts.

    Attributes:
        class_names: The classes in natural order; empty where labels weren't asked for.
        files: (path, label, part) of every file to read, in natural order of the paths.
        rejected: (path, reason) of images that have no label, and of archives among them.
        ignored: Paths of the other files, by the reason, which names the folder where one is left out as a whole.
        layout: A description of the detected layout; empty where labels weren't asked for.
        warnings: Guesses, and folders that look like classes without images, in sentences.
    """

    class_names: list[str] = field(default_factory=list)
    files: list[tuple[str, int, str]] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    ignored: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    layout: str = ""
    warnings: list[str] = field(default_factory=list)


def arrange(
    paths: Iterable[str], where: str, folders: Iterable[str], classes: Sequence[str] | None, *, labelled: bool
) -> Arrangement:
    """Finds the images among some files, and logs the result; arguments as of `arrange_labelled`.

    Raises:
        SourceError: Classes are asked for, and can't be found.
    """
    found = arrange_labelled(paths, where, folders, classes) if labelled else arrange_unlabelled(paths)
    report_arrangement(found, where)
    return found


def arrange_unlabelled(paths: Iterable[str]) -> Arrangement:
    """Takes every file that may be an image, wherever it lies, without labels."""
    found = Arrangement()
    for path in sorted(paths, key=natural_key):
        if is_system_file(path):
            found.ignored[SYSTEM].append(path)
        elif suffix_of(path) in ARCHIVE_SUFFIXES:
            found.rejected.append((path, AN_ARCHIVE))
        elif suffix_of(path) in DOCUMENT_SUFFIXES:
            found.ignored[NO_IMAGE_NAME].append(path)
        else:
            found.files.append((path, UNLABELLED, ""))
    return found


def arrange_labelled(
    paths: Iterable[str], where: str, folders: Iterable[str] = (), classes: Sequence[str] | None = None
) -> Arrangement:
    """Finds the classes and the part of every file.

    Where there are two or more labelled parts, files of a training folder belong to part `train` and files of a test
    folder to part `test`. A validation folder is the test part if there is no test folder, and belongs to the
    training part, at its end, if there is one. A single labelled part is no part at all.

    Args:
        paths: Posix paths of all files, in any order.
        where: The source that has the paths, as `ingestion.source` may name it.
        folders: Posix paths of folders; those without files show up nowhere else.
        classes: `ingestion.classes`. It settles which reading is meant where several are possible, and selects nothing.

    Raises:
        SourceError: There are no images or fewer than two classes of them, or several readings are possible.
    """
    found = Arrangement()
    ordered = sorted(paths, key=natural_key)
    usable = [path for path in ordered if not is_system_file(path)]
    if len(usable) < len(ordered):
        found.ignored[SYSTEM] = [path for path in ordered if is_system_file(path)]
    top = tree_of(usable, [path for path in folders if not is_system_file(path)])
    if not top.images:
        raise SourceError(_no_images(usable, where))
    reading = Reader(classes).read(top)
    if reading.doubt:
        values = list(islice(_advised_values(reading.doubt, top, where), 3))
        advice = f"Set {' or '.join(values)}." if values else "Sort the images into one folder per class."
        raise SourceError(f"{where} can be read in more than one way: {reading.doubt.reason}. {advice}")
    found.class_names = reading.class_names
    if len(found.class_names) < 2:
        raise SourceError(_too_few_classes(reading, top, usable, where))
    parts = _official_parts({group.part for group in reading.groups})
    index = {name: label for label, name in enumerate(found.class_names)}
    labels = {path: (index[group.class_name], parts[group.part]) for group in reading.groups for path in group.paths()}
    reasons = {path: f"{folder.path}, {reason}" for folder, reason in reading.ignored for path in folder.paths()}
    for path in usable:
        if path in labels and suffix_of(path) in ARCHIVE_SUFFIXES:
            found.rejected.append((path, AN_ARCHIVE))
        elif path in labels:
            found.files.append((path, *labels[path]))
        elif not has_image_name(path):
            found.ignored[NO_IMAGE_NAME].append(path)
        elif path in reasons:
            found.ignored[reasons[path]].append(path)
        else:
            found.rejected.append((path, "unlabelled: neither its folder nor its name says the class"))
    found.layout = _layout(reading)
    found.warnings = [*reading.guesses, *_folders_without_images(top, reading)]
    return found


def report_arrangement(found: Arrangement, where: str) -> None:
    """Logs the detected layout and the ignored files, so that nothing disappears silently."""
    lines = []
    if found.class_names:
        counts = Counter(found.class_names[label] for _, label, _ in found.files)
        lines.append(f"Layout of {where}: {found.layout}.")
        lines.append(f"Classes in {where}: {counted_classes({name: counts[name] for name in found.class_names})}.")
    else:
        lines.append(f"Found {_files(len(found.files))} in {where}.")
    for reason, paths in sorted(found.ignored.items()):
        examples = f" ({listed(paths, 3)})" if reason in (SYSTEM, NO_IMAGE_NAME) else ""
        lines.append(f"Ignored {_files(len(paths))} in {where}: {reason}{examples}.")
    for line in lines:
        logger.info("%s", line)
    for line in found.warnings:
        logger.warning("%s", line)


def counted_classes(counts: Mapping[str, int]) -> str:
    """Lists the number of files of each class, for messages: `cat (40), dog (38)`."""
    return listed([f"{name} ({count:,})" for name, count in counts.items()], _MOST_SHOWN)


def describe_files(paths: Sequence[str]) -> str:
    """Lists the kinds of files, for messages: `3 .txt, 1 .zip`."""
    kinds = Counter(suffix_of(path) or "without extension" for path in paths)
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(5)) or "no files"


def _advised_values(doubt: Doubt, top: Folder, where: str) -> Iterator[str]:
    """The choices that lead to two or more classes without another doubt, as values of parameters."""
    for choice in doubt.choices:
        reading = Reader(choice.classes or None).read(choice.folder or top)
        if reading.doubt is None and len(reading.class_names) > 1:
            source = choice.folder and f"ingestion.source={as_yaml(f'{where}/{choice.folder.path}')}"
            yield f"{source or as_value(choice.classes)} ({choice.meaning})"


def _official_parts(kinds: set[str]) -> dict[str, str]:
    """Maps each kind of part folder to an official part, see `arrange_labelled`."""
    held_out = TEST if TEST in kinds else VALIDATION
    if kinds.isdisjoint({held_out}) or len(kinds) == 1:
        return dict.fromkeys(kinds, "")
    return {kind: "test" if kind == held_out else "train" for kind in kinds}


def _layout(reading: Reading) -> str:
    """Describes the layout in a few words."""
    by_name = any(group.files is not None for group in reading.groups)
    parts = []
    for part in (TRAIN, VALIDATION, TEST):
        groups = [group for group in reading.groups if group.part == part]
        count = _files(sum(1 for group in groups for _ in group.paths()))
        places = [group.folder.path if by_name else group.folder.path.rpartition("/")[0] for group in groups]
        shown = listed([place or "its top" for place in dict.fromkeys(places)], 3)
        if groups:
            parts.append(f"{part} ({shown}: {count})" if reading.kind == "dataset" else f"{part} ({count})")
    classes = "classes by file name" if by_name else "one folder per class"
    if not parts:
        return classes
    words = ("in the parts" if len(parts) > 1 else "in the part") if reading.kind == "dataset" else "divided into"
    return f"{classes}, {words} {', '.join(parts)}"


def _folders_without_images(top: Folder, reading: Reading) -> list[str]:
    """Warns of folders outside of classes that hold no images and aren't folders of documents."""
    inside = {group.folder.path for group in reading.groups if group.files is None}
    inside |= {folder.path for folder, _ in reading.ignored}
    warnings = []
    for folder in _outermost_without_images(top, inside):
        files = list(folder.paths())
        so = "" if class_name_of(folder.name) in reading.class_names else ", so it is no class"
        if not files:
            warnings.append(f"{folder.path} is empty{so}.")
        elif any(suffix_of(path) not in DOCUMENT_SUFFIXES for path in files):
            warnings.append(f"{folder.path} holds no image ({describe_files(files)}){so}.")
    return sorted(warnings, key=natural_key)


def _outermost_without_images(folder: Folder, inside: set[str]) -> Iterator[Folder]:
    for child in folder.folders.values():
        if not child.images:
            yield child
        elif child.path not in inside:
            yield from _outermost_without_images(child, inside)


def _no_images(paths: Sequence[str], where: str) -> str:
    hints = [f"There are no images in {where}: found {describe_files(paths)}", *_unopened_archives(paths, where)]
    if len(hints) == 1:
        hints.append(f"{ALLOWED_LAYOUTS}; images end in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return ". ".join(hints) + "."


def _too_few_classes(reading: Reading, top: Folder, paths: Sequence[str], where: str) -> str:
    places = listed([folder.path or "its top" for folder in top.below() if folder.own_images])
    found = f"no class but {reading.class_names[0]}" if reading.class_names else "no two classes"
    hints = [f"Found {found} in {where}: {top.images:,} images in {places}", "At least two are needed"]
    hints += _unopened_archives(paths, where)
    if tables := [path for path in paths if suffix_of(path) in TABLE_SUFFIXES]:
        hints.append(
            f"{listed(tables, 3)} may hold the labels, but tables of labels can't be read: "
            "sort the images into one folder per class"
        )
    hints += [guess.removesuffix(".") for guess in dict.fromkeys(reading.guesses)]
    return ". ".join([*hints, ALLOWED_LAYOUTS]) + "."


def _unopened_archives(paths: Sequence[str], where: str) -> list[str]:
    """How to read archives among the files; empty where there are none."""
    archives = [path for path in paths if suffix_of(path) in ARCHIVE_SUFFIXES]
    if zips := [path for path in archives if suffix_of(path) == ".zip"]:
        # Kaggle's test photos have no labels.
        likely = [path for path in zips if part_of(path.rpartition("/")[2]) not in (TEST, PREDICTION)] or zips
        values = " or ".join(f"ingestion.source={as_yaml(f'{where}/{path}')}" for path in likely[:3])
        return [f"Archives in it aren't opened: set {values}"]
    return [
        f"Archives in it aren't opened: unpack {path}, and set ingestion.source to the result" for path in archives[:1]
    ]


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"
