"""Finds out from the paths of a source alone which files are images of which class.

Classes are folders (`PetImages/Cat/0.jpg`), or begin the names of files (Kaggle's `train/cat.0.jpg`); either may lie in
parts (`train/`, `test/`, `seg_train/`), at any depth. `tree.py` holds the rule, `names.py` the words.

Whether a file of a class really is an image is for the decoder to say: inside a class, names decide nothing, so that
a photo with a wrong extension is used and a text with a right one is rejected with its reason. Only what operating
systems leave behind (`Thumbs.db`, `.DS_Store`, `__MACOSX/`, hidden files) is passed over.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.sources.base import UNLABELLED
from dogs_vs_cats.sources.names import (
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
    is_mask_folder,
    is_system_file,
    listed,
    natural_key,
    part_of,
    suffix_of,
)
from dogs_vs_cats.sources.reading import Choice, Reader, Reading, as_value, as_yaml
from dogs_vs_cats.sources.tree import Folder, tree_of

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
    """Which files are used, and as what.

    Attributes:
        class_names: The classes in natural order; empty where labels weren't asked for.
        files: (path, label, part) of every file to read, in natural order of the paths.
        rejected: (path, reason) of images that have no label, and of archives among them.
        passed_over: Paths of the other files, by the reason, which names the folder where one is left out as a whole.
        layout: How the source was understood, in a sentence; empty where labels weren't asked for.
        warnings: Guesses, and folders that look like classes without images, in sentences.
    """

    class_names: list[str] = field(default_factory=list)
    files: list[tuple[str, int, str]] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    passed_over: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    layout: str = ""
    warnings: list[str] = field(default_factory=list)


def arrange_unlabelled(paths: Iterable[str]) -> Arrangement:
    """Takes every file that may be an image, wherever it lies, without labels."""
    found = Arrangement()
    for path in sorted(paths, key=natural_key):
        if is_system_file(path):
            found.passed_over[SYSTEM].append(path)
        elif suffix_of(path) in ARCHIVE_SUFFIXES:
            found.rejected.append((path, AN_ARCHIVE))
        elif suffix_of(path) in DOCUMENT_SUFFIXES:
            found.passed_over[NO_IMAGE_NAME].append(path)
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
        where: What the paths were found in, as `ingestion.source` may name it.
        folders: Posix paths of folders; those without files show up nowhere else.
        classes: `ingestion.classes`. It settles which reading is meant where several are possible, and selects nothing.

    Raises:
        SourceError: There are no images or fewer than two classes of them, or several readings are possible.
    """
    found = Arrangement()
    ordered = sorted(paths, key=natural_key)
    usable = [path for path in ordered if not is_system_file(path)]
    if len(usable) < len(ordered):
        found.passed_over[SYSTEM] = [path for path in ordered if is_system_file(path)]
    top = tree_of(usable, [path for path in folders if not is_system_file(path)])
    if not top.images:
        raise SourceError(_no_images(usable, where))
    reading = Reader(classes).read(top)
    if reading.doubt:
        choices = [_choice(choice, where) for choice in reading.doubt.choices if _works(choice, top)]
        settle = f"Set {' or '.join(choices)}." if choices else "Sort the images into one folder per class."
        raise SourceError(f"{where} can be read in more than one way: {reading.doubt.reason}. {settle}")
    found.class_names = reading.class_names
    if len(found.class_names) < 2:
        raise SourceError(_too_few_classes(reading, top, usable, where))
    parts = _official_parts({group.part for group in reading.groups})
    index = {name: label for label, name in enumerate(found.class_names)}
    labels = {path: (index[group.class_name], parts[group.part]) for group in reading.groups for path in group.paths()}
    passed = dict(reading.passed_over)
    for path in usable:
        if path not in labels:
            _leave_out(path, passed, found)
        elif suffix_of(path) in ARCHIVE_SUFFIXES:
            found.rejected.append((path, AN_ARCHIVE))
        else:
            found.files.append((path, *labels[path]))
    found.layout = _layout(reading)
    found.warnings = [*reading.guesses, *_folders_without_images(top, reading)]
    return found


def report_arrangement(found: Arrangement, where: str) -> None:
    """Logs how a source was understood and what was passed over, so that nothing disappears in silence."""
    lines = []
    if found.class_names:
        counts = Counter(label for _, label, _ in found.files)
        lines.append(f"Layout of {where}: {found.layout}.")
        lines.append(f"Classes in {where}: {counted_classes(found.class_names, counts)}.")
    else:
        lines.append(f"Found {_files(len(found.files))} in {where}.")
    for reason, paths in sorted(found.passed_over.items()):
        examples = f" ({listed(paths, 3)})" if reason in (SYSTEM, NO_IMAGE_NAME) else ""
        lines.append(f"Passed over {_files(len(paths))} in {where}: {reason}{examples}.")
    for line in lines:
        logger.info("%s", line)
    for line in found.warnings:
        logger.warning("%s", line)


def counted_classes(class_names: Sequence[str], counts: Counter[int]) -> str:
    """How many files each class has, for messages: `cat (40), dog (38)`."""
    return listed([f"{name} ({counts[label]:,})" for label, name in enumerate(class_names)], _MOST_SHOWN)


def describe_files(paths: Sequence[str]) -> str:
    """Says in a few words what kinds of files there are, for messages: `3 .txt, 1 .zip`."""
    kinds = Counter(suffix_of(path) or "without extension" for path in paths)
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(5)) or "no files"


def _works(choice: Choice, top: Folder) -> bool:
    """Whether a choice leads to two or more classes without another doubt."""
    reading = Reader(choice.classes or None).read(choice.folder or top)
    return reading.doubt is None and len(reading.class_names) > 1


def _choice(choice: Choice, where: str) -> str:
    source = as_yaml(f"{where}/{choice.folder.path}") if choice.folder else ""
    return f"{f'ingestion.source={source}' if source else as_value(choice.classes)} ({choice.meaning})"


def _official_parts(kinds: set[str]) -> dict[str, str]:
    """What to call each kind of part folder, see `arrange_labelled`."""
    if len(kinds) < 2:
        return dict.fromkeys(kinds, "")
    held_out = TEST if TEST in kinds else VALIDATION
    return {kind: "test" if kind == held_out else "train" for kind in kinds}


def _leave_out(path: str, passed: dict[str, str], found: Arrangement) -> None:
    steps = path.split("/")
    folders = ("/".join(steps[:depth]) for depth in range(1, len(steps)))
    folder = next((folder for folder in folders if folder in passed), "")
    if not has_image_name(path):
        found.passed_over[NO_IMAGE_NAME].append(path)
    elif folder:
        found.passed_over[f"{folder}, {passed[folder]}"].append(path)
    else:
        found.rejected.append((path, "unlabelled: neither its folder nor its name says the class"))


def _layout(reading: Reading) -> str:
    """How a source was understood, in a few words."""
    by_name = any(group.files is not None for group in reading.groups)
    classes = "classes by file name" if by_name else "one folder per class"
    counts: Counter[str] = Counter()
    places: dict[str, dict[str, None]] = defaultdict(dict)
    for group in reading.groups:
        counts[group.part] += sum(1 for _ in group.paths())
        path = group.folder.path
        places[group.part][(path if by_name else path.rpartition("/")[0]) or "its top"] = None
    named = [part for part in (TRAIN, VALIDATION, TEST) if counts[part]]
    if not named:
        return classes
    if reading.kind != "parts":
        return f"{classes}, divided into {', '.join(f'{part} ({_files(counts[part])})' for part in named)}"
    parts = [f"{part} ({listed(list(places[part]), 3)}: {_files(counts[part])})" for part in named]
    return f"{classes}, in the part{'s' if len(parts) > 1 else ''} {', '.join(parts)}"


def _folders_without_images(top: Folder, reading: Reading) -> list[str]:
    """Warnings of folders outside of classes that hold no images, although nobody takes their files for documents."""
    inside = {group.folder.path for group in reading.groups if group.files is None}
    inside |= {path for path, _ in reading.passed_over}
    warnings = []
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        if folder.images:
            waiting += [child for child in folder.folders.values() if child.path not in inside]
            continue
        files = [path for each in folder.below() for path in each.files]
        so = "" if class_name_of(folder.name) in reading.class_names else ", so it is no class"
        if not files:
            warnings.append(f"{folder.path} is empty{so}.")
        elif any(suffix_of(path) not in DOCUMENT_SUFFIXES for path in files):
            warnings.append(f"{folder.path} holds no image ({describe_files(files)}){so}.")
    return sorted(warnings, key=natural_key)


def _no_images(paths: Sequence[str], where: str) -> str:
    message = f"There are no images in {where}: found {describe_files(paths)}. "
    if archives := _unopened_archives(paths, where):
        return message + archives
    return message + ALLOWED_LAYOUTS + f"; images end in {', '.join(sorted(IMAGE_SUFFIXES))}."


def _too_few_classes(reading: Reading, top: Folder, paths: Sequence[str], where: str) -> str:
    folders = [folder for folder in top.below() if any(has_image_name(path) for path in folder.files)]
    places = listed(sorted((folder.path or "its top" for folder in folders), key=natural_key), 5)
    found = f"no class but {reading.class_names[0]}" if reading.class_names else "no two classes"
    hints = [f"Found {found} in {where}: {top.images:,} images in {places}", "At least two are needed"]
    if archives := _unopened_archives(paths, where):
        hints.append(archives.removesuffix("."))
    if tables := [path for path in paths if suffix_of(path) in TABLE_SUFFIXES]:
        hints.append(
            f"{listed(tables, 3)} may hold the labels, but tables of labels can't be read: "
            "sort the images into one folder per class"
        )
    if names := _perhaps_classes(top):
        hints.append(f"If {listed(names)} are the classes, set {as_value(names)}")
    return ". ".join([*hints, ALLOWED_LAYOUTS]) + "."


def _unopened_archives(paths: Sequence[str], where: str) -> str:
    """A sentence that says how to read archives among the files; empty where there are none."""
    archives = [path for path in paths if suffix_of(path) in ARCHIVE_SUFFIXES]
    if zips := [path for path in archives if suffix_of(path) == ".zip"]:
        # Kaggle's test photos have no labels.
        likely = [path for path in zips if part_of(path.rpartition("/")[2]) not in (TEST, PREDICTION)] or zips
        values = " or ".join(f"ingestion.source={as_yaml(f'{where}/{path}')}" for path in likely[:3])
        return f"Archives in it aren't opened: set {values}."
    if archives:
        return f"Archives in it aren't opened: unpack {archives[0]}, and set ingestion.source to the result."
    return ""


def _perhaps_classes(top: Folder) -> list[str]:
    """Names of folders beside each other that would be read as classes if all of them weren't named like parts."""
    for folder in top.below():
        beside = [child for child in folder.folders.values() if child.images and not is_mask_folder(child.name)]
        names = list(dict.fromkeys(class_name_of(child.name) for child in beside))
        if not all(map(part_of, names)) and set(names) == set(Reader(names).read(top).class_names):
            return names if len(names) > 1 else []
    return []


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"
