"""Detects the images and the classes of a source from its paths alone.

Classes are folders (`PetImages/Cat/0.jpg`), or begin the names of files (Kaggle's `train/cat.0.jpg`); either may lie in
parts (`train/`, `test/`, `seg_train/`), at any depth. `reading.py` holds the rule, `names.py` the words.

The decoder decides whether a file of a class is an image. Names don't matter inside a class: a photo with a wrong
extension is used, and a text file named like an image is rejected with its reason. Only files of operating systems
(`Thumbs.db`, `.DS_Store`, `__MACOSX/`, hidden files) are ignored.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from dogs_vs_cats.errors import SourceError, listed, quantity
from dogs_vs_cats.images.sources.base import UNLABELLED
from dogs_vs_cats.images.sources.names import (
    ARCHIVE_SUFFIXES,
    DOCUMENT_SUFFIXES,
    IMAGE_SUFFIXES,
    PREDICTION,
    TEST,
    TRAIN,
    VALIDATION,
    has_image_name,
    is_system_file,
    natural_key,
    part_of,
    suffix_of,
)
from dogs_vs_cats.images.sources.reading import Reader, Reading, as_value
from dogs_vs_cats.images.sources.tree import Folder, tree_of
from dogs_vs_cats.parameters.command_line import as_yaml

logger = logging.getLogger(__name__)

ALLOWED_LAYOUTS = (
    "Allowed are file names like train/cat.0.jpg (Kaggle's), one sub-folder per class, two or more of them, like "
    "PetImages/Cat/0.jpg, each also below train/ and test/, or a .csv table of images and labels; images end in "
    f"{', '.join(sorted(IMAGE_SUFFIXES))}"
)
NO_IMAGE_NAME = "not an image by its name"
SYSTEM = "system or hidden"


class NoClassesError(SourceError):
    """Neither folders nor file names say the classes; a table may."""


@dataclass
class Arrangement:
    """The files of a source that are used, with their classes and parts.

    Attributes:
        class_names: The classes in natural order; empty where labels weren't asked for.
        files: (path, label, part) of every file to read, in natural order of the paths.
        rejected: (path, reason) of images that have no label, and of archives among them.
        ignored: Paths of the other files, by the reason, which names the folder where one is left out as a whole.
    """

    class_names: list[str] = field(default_factory=list)
    files: list[tuple[str, int, str]] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    ignored: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def arrange(
    paths: Iterable[str],
    where: str,
    folders: Iterable[str] = (),
    classes: Sequence[str] | None = None,
    *,
    labelled: bool = True,
) -> Arrangement:
    """Finds the images among some files with their classes and parts, and logs the layout and what is ignored.

    Where there are two or more labelled parts, files of a training folder belong to part `train` and files of a test
    folder to part `test`. A validation folder is the test part if there is no test folder, and belongs to the
    training part, at its end, if there is one. A single labelled part is no part at all.

    Args:
        paths: Posix paths of all files, in any order.
        where: The source that has the paths, as `ingestion.source` may name it.
        folders: Posix paths of folders; those without files show up nowhere else.
        classes: `ingestion.classes`. It settles which reading is meant where several are possible, and selects nothing.
        labelled: False takes every file that may be an image, wherever it lies, without labels.

    Raises:
        NoClassesError: Classes are asked for, and there are no images or fewer than two classes of them.
        SourceError: Several readings are possible.
    """
    found = Arrangement()
    ordered = sorted(paths, key=natural_key)
    usable = [path for path in ordered if not is_system_file(path)]
    if len(usable) < len(ordered):
        found.ignored[SYSTEM] = [path for path in ordered if is_system_file(path)]
    labels = {path: (UNLABELLED, "") for path in usable if suffix_of(path) not in DOCUMENT_SUFFIXES}
    reasons: dict[str, str] = {}
    if labelled:
        top = tree_of(usable, [path for path in folders if not is_system_file(path)])
        reading = _read(top, usable, where, classes)
        found.class_names = reading.class_names
        labels = _labels(reading)
        reasons = {path: f"{folder.path}, {reason}" for folder, reason in reading.ignored for path in folder.paths()}
        logger.info("Layout of %s: %s.", where, _layout(reading))
        for warning in (*reading.guesses, *_folders_without_images(top, reading)):
            logger.warning("%s", warning)
    for path in usable:
        if path in labels and suffix_of(path) in ARCHIVE_SUFFIXES:
            found.rejected.append((path, "an archive, not an image: unpack it first"))
        elif path in labels:
            found.files.append((path, *labels[path]))
        elif not has_image_name(path):
            found.ignored[NO_IMAGE_NAME].append(path)
        elif path in reasons:
            found.ignored[reasons[path]].append(path)
        else:
            found.rejected.append((path, "unlabelled: neither its folder nor its name says the class"))
    _report(found, where)
    return found


def _read(top: Folder, paths: Sequence[str], where: str, classes: Sequence[str] | None) -> Reading:
    """Finds the classes, or refuses the source with advice."""
    reading = Reader(classes).read(top) if top.images else Reading("images", [])
    if reading.doubt:
        values = list(islice(_advised_values(reading, top, where), 3))
        advice = f"Set {' or '.join(values)}." if values else "Sort the images into one folder per class."
        raise SourceError(f"{where} can be read in more than one way: {reading.doubt}. {advice}")
    if len(reading.class_names) > 1:
        return reading
    hints = [f"There are no images in {where}: found {_kinds(paths)}"]
    if top.images:
        places = listed([folder.path or "its top" for folder in top.below() if folder.own_images])
        hints = [f"Found no two classes in {where}: {top.images:,} images in {places}", "At least two are needed"]
    hints += [guess.removesuffix(".") for guess in dict.fromkeys(reading.guesses)]
    hints.append(ALLOWED_LAYOUTS)
    if archives := [path for path in paths if suffix_of(path) in ARCHIVE_SUFFIXES]:
        hints.append(f"Archives in it aren't opened: {_archive_advice(archives, where)}")
    raise NoClassesError(". ".join(hints) + ".")


def _archive_advice(archives: Sequence[str], where: str) -> str:
    zips = [path for path in archives if suffix_of(path) == ".zip"]
    # Kaggle's test photos have no labels.
    likely = [path for path in zips if part_of(path.rpartition("/")[2]) not in (TEST, PREDICTION)] or zips
    values = [f"ingestion.source={as_yaml(f'{where}/{path}')}" for path in likely[:3]]
    return f"set {' or '.join(values)}" if values else f"unpack {archives[0]}, and set ingestion.source to the result"


def _advised_values(doubtful: Reading, top: Folder, where: str) -> Iterator[str]:
    """The choices that lead to two or more classes without another doubt, as values of parameters."""
    for choice in doubtful.choices:
        reading = Reader(choice.classes or None).read(choice.folder or top)
        if not reading.doubt and len(reading.class_names) > 1:
            source = choice.folder and f"ingestion.source={as_yaml(f'{where}/{choice.folder.path}')}"
            yield f"{source or as_value(choice.classes)} ({choice.meaning})"


def _labels(reading: Reading) -> dict[str, tuple[int, str]]:
    """Returns the label and the official part, see `arrange`, of every file that has a class."""
    kinds = {group.part for group in reading.groups}
    held_out = TEST if TEST in kinds else VALIDATION
    parts = dict.fromkeys(kinds, "")
    if held_out in kinds and len(kinds) > 1:
        parts = {kind: "test" if kind == held_out else "train" for kind in kinds}
    index = {name: label for label, name in enumerate(reading.class_names)}
    return {
        path: (index[group.class_name], parts[group.part])
        for group in reading.groups
        if group.class_name
        for path in group.paths()
    }


def _layout(reading: Reading) -> str:
    """Describes the layout in a few words."""
    by_name = any(group.files is not None for group in reading.groups)
    parts = []
    for part in (TRAIN, VALIDATION, TEST):
        groups = [group for group in reading.groups if group.part == part]
        places = [group.folder.path if by_name else group.folder.path.rpartition("/")[0] for group in groups]
        shown = listed([place or "its top" for place in dict.fromkeys(places)], 3)
        if groups:
            parts.append(f"{part} ({shown}: {quantity(sum(len(list(group.paths())) for group in groups), 'file')})")
    classes = "classes by file name" if by_name else "one folder per class"
    return f"{classes}; parts: {', '.join(parts)}" if parts else classes


def _folders_without_images(top: Folder, reading: Reading) -> list[str]:
    """Warns of folders outside of classes that hold no images and aren't folders of documents."""
    inside = {group.folder.path for group in reading.groups if group.files is None}
    inside |= {folder.path for folder, _ in reading.ignored}
    warnings = []
    waiting = list(top.folders.values())
    while waiting:
        folder = waiting.pop(0)
        files = list(folder.paths())
        if folder.images:
            waiting += folder.folders.values() if folder.path not in inside else ()
        elif not files or any(suffix_of(path) not in DOCUMENT_SUFFIXES for path in files):
            warnings.append(f"{folder.path} holds no image ({_kinds(files)}).")
    return warnings


def _report(found: Arrangement, where: str) -> None:
    """Logs what is used and what is ignored, so that nothing disappears silently."""
    logger.info("Found %s in %s.", quantity(len(found.files), "file"), where)
    for reason, paths in sorted(found.ignored.items()):
        examples = f" ({listed(paths, 3)})" if reason in (SYSTEM, NO_IMAGE_NAME) else ""
        logger.info("Ignored %s in %s: %s%s.", quantity(len(paths), "file"), where, reason, examples)


def _kinds(paths: Sequence[str]) -> str:
    """Lists the kinds of files, for messages: `3 .txt, 1 .zip`."""
    kinds = Counter(suffix_of(path) or "without extension" for path in paths)
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(5)) or "no files"
