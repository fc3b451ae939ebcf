"""Finds out from the paths of a source alone which files are images of which class.

Three layouts are known, and parts (`train/`, `test/`, `validation/`) in each:

- Kaggle's: `train/cat.0.jpg`, with or without the folder; `test1/1.jpg` beside it has no labels and is left out.
- Microsoft's: `PetImages/Cat/0.jpg`.
- Any folder with one sub-folder a class, two or more of them, however deep it lies.

Whether a file of a class really is an image is for the decoder to say: inside a class, names decide nothing, so that
a photo with a wrong extension is used and a text with a right one is rejected with its reason. Only what operating
systems leave behind (`Thumbs.db`, `.DS_Store`, `__MACOSX/`, hidden files) is passed over.
"""

import logging
import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.sources.base import UNLABELLED

logger = logging.getLogger(__name__)

# fmt: off
IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
    ".heic", ".heif", ".avif",
})
ARCHIVE_SUFFIXES = frozenset({".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"})
DOCUMENT_SUFFIXES = frozenset({
    ".txt", ".csv", ".tsv", ".md", ".rst", ".json", ".jsonl", ".xml", ".yml", ".yaml", ".toml", ".html", ".htm", ".pdf",
    ".doc", ".docx", ".rtf", ".odt", ".xls", ".xlsx", ".log", ".ini", ".cfg", ".db", ".py", ".ipynb", ".sh", ".dvc",
    ".sha256", ".md5",
})
# fmt: on
"""Companions of a collection of images that nobody takes for images; only looked at where there are no classes."""

ALLOWED_LAYOUTS = (
    "Allowed are file names like train/cat.0.jpg (Kaggle's), or one sub-folder per class, two or more of them, "
    "like PetImages/Cat/0.jpg, each also below train/ and test/"
)

_SYSTEM_NAMES = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"})
_NUMBER = re.compile("0*([0-9]+)")
_CLASS_IN_NAME = re.compile(r"(?P<name>[^\W\d_][^.]*)\.\d+\.[^.]+")
_PART = re.compile(
    r"(?P<train>train|training)?(?P<validation>val|valid|validation)?(?P<test>test|testing|eval|evaluation|unlabell?ed)?"
    r"(?:[ _-]?(?:set|data|images?))?[ _-]?\d*",
    re.IGNORECASE,
)

Folder = tuple[str, ...]


@dataclass
class Arrangement:
    """Which files are used, and as what.

    Attributes:
        class_names: The classes in natural order; empty where labels weren't asked for.
        files: (path, label, part) of every file to read, in natural order of the paths.
        rejected: (path, reason) of images that have no label, and of archives among them.
        ignored: How many files were passed over, by what they are.
    """

    class_names: list[str] = field(default_factory=list)
    files: list[tuple[str, int, str]] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


def natural_key(text: str) -> tuple[str, str]:
    """Sorting key that puts `cat.2` before `cat.10`, whatever the number of digits.

    Each number is written behind its number of digits; the text itself settles `01` against `1`.
    """
    return _NUMBER.sub(lambda number: f"{len(number[1]):05}{number[1]}", text), text


def is_system_file(path: str) -> bool:
    """Whether a path names something an operating system or a tool left behind, such as `.DS_Store`."""
    return any(part.startswith(".") or part.lower() in _SYSTEM_NAMES for part in path.split("/"))


def has_image_name(path: str) -> bool:
    """Whether a path ends like an image."""
    return _suffix(path) in IMAGE_SUFFIXES


@lru_cache(maxsize=4096)
def class_name_of(folder: str) -> str:
    """Name of the class that a folder or file name stands for.

    `Cat`, `cats`, `DOGS` and the like become `cat` and `dog`, so that every edition of that data gives the same
    classes. All other names stay as they are, in Unicode's composed form, because `A` and `a` may be two classes.
    """
    name = unicodedata.normalize("NFC", folder).strip()
    return {"cat": "cat", "cats": "cat", "dog": "dog", "dogs": "dog"}.get(name.casefold(), name)


def arrange_unlabelled(paths: Iterable[str]) -> Arrangement:
    """Takes every file that may be an image, wherever it lies, without labels."""
    found = Arrangement()
    for path in sorted(paths, key=natural_key):
        if is_system_file(path):
            found.ignored["system or hidden"] += 1
        elif _suffix(path) in ARCHIVE_SUFFIXES:
            found.rejected.append((path, "an archive, not an image: unpack it first"))
        elif _suffix(path) in DOCUMENT_SUFFIXES:
            found.ignored["not an image by its name"] += 1
        else:
            found.files.append((path, UNLABELLED, ""))
    return found


def arrange_labelled(paths: Iterable[str], where: str) -> Arrangement:
    """Finds the classes and the part of every file.

    Where there are two or more labelled parts, files of a training folder belong to part `train` and files of a test
    folder to part `test`. A validation folder is the test part if there is no test folder, and belongs to the
    training part, at its end, if there is one. A single labelled part is no part at all.

    Args:
        paths: Posix paths of all files, in any order.
        where: What the paths were found in, for messages.

    Raises:
        SourceError: There are no images, or fewer than two classes of them.
    """
    found = Arrangement()
    usable = []
    for path in sorted(paths, key=natural_key):
        if is_system_file(path):
            found.ignored["system or hidden"] += 1
        else:
            usable.append(path)
    images: dict[Folder, list[str]] = defaultdict(list)
    for path in usable:
        if has_image_name(path):
            folder, _, name = path.rpartition("/")
            images[tuple(folder.split("/")) if folder else ()].append(name)
    if not images:
        raise SourceError(_no_images(usable, where))
    labels = _labels_by_file_name(usable, images) or _labels_by_folder(usable, images)
    classes = sorted({name for name, _ in labels.values()}, key=natural_key)
    if len(classes) < 2:
        raise SourceError(_too_few_classes(classes, images, where))
    parts = _official_parts({kind for _, kind in labels.values()})
    index = {name: label for label, name in enumerate(classes)}
    for path in usable:
        if path not in labels:
            _pass_over(path, found)
        elif _suffix(path) in ARCHIVE_SUFFIXES:
            found.rejected.append((path, "an archive, not an image: unpack it first"))
        else:
            name, kind = labels[path]
            found.files.append((path, index[name], parts[kind]))
    found.class_names = classes
    return found


def report_arrangement(found: Arrangement, where: str) -> None:
    """Logs what was found and what was passed over, so that nothing disappears in silence."""
    if found.class_names:
        counts = Counter(label for _, label, _ in found.files)
        classes = ", ".join(f"{counts[label]:,} {name}" for label, name in enumerate(found.class_names))
        logger.info("Found %s in %s.", classes, where)
    else:
        logger.info("Found %s files in %s.", f"{len(found.files):,}", where)
    for what, count in sorted(found.ignored.items()):
        logger.info("Passed over %s files in %s: %s.", f"{count:,}", where, what)


def _suffix(path: str) -> str:
    return posixpath.splitext(path)[1].lower()


def _part(folder: str) -> str:
    """`train`, `validation` or `test` for a folder named like a part of a dataset (`train`, `test1`), else empty."""
    match = _PART.fullmatch(folder)
    kinds = [kind for kind, text in match.groupdict().items() if text] if match else []
    return kinds[0] if len(kinds) == 1 else ""


def _labels_by_file_name(paths: Sequence[str], images: dict[Folder, list[str]]) -> dict[str, tuple[str, str]]:
    """(class, part folder's kind) by path in Kaggle's layout; empty where this isn't it.

    It is Kaggle's where one folder mixes files of several classes by their names, and where that folder isn't itself
    one of several class folders (cameras number their files `IMG.1.jpg`, `DSC.2.jpg`, too).
    """
    prefixes = {folder: {_class_in_name(name) for name in names} - {""} for folder, names in images.items()}
    mixed = [folder for folder, names in prefixes.items() if len(names) > 1]
    others = [folder for folder in images if folder not in mixed and not (folder and _part(folder[-1]))]
    above_others = len(mixed) == 1 and all(other[: len(mixed[0])] == mixed[0] for other in others)
    named_as_parts = all(folder and _part(folder[-1]) for folder in mixed) and len(others) < 2
    if not mixed or not (above_others or named_as_parts):
        return {}
    classes = set[str]().union(*(prefixes[folder] for folder in mixed))
    labels = {}
    for path in paths:
        *parents, name = path.split("/")
        kind = _part(parents[-1]) if parents else ""
        class_name = _class_in_name(name)
        if class_name in classes and (kind or tuple(parents) in mixed):
            labels[path] = (class_name, kind)
    return labels


def _class_in_name(name: str) -> str:
    match = _CLASS_IN_NAME.fullmatch(name)
    return class_name_of(match["name"]) if match else ""


def _labels_by_folder(paths: Sequence[str], images: dict[Folder, list[str]]) -> dict[str, tuple[str, str]]:
    """(class, part folder's kind) by path where every class has a folder of its own."""
    root, children = _first_fork(images, ())
    if children and all(_part(child) for child in children):
        roots: dict[Folder, tuple[set[str], str]] = {}
        for child in children:
            part_root, classes = _first_fork(images, (*root, child))
            if not classes and len(part_root) > len(root) + 1 and not _part(part_root[-1]):
                # One class alone in this part: the walk went one folder too deep.
                part_root, classes = part_root[:-1], [part_root[-1]]
            roots[part_root] = (set(classes), _part(child))
    else:
        proper = [child for child in children if _part(child) not in ("test", "validation")]
        roots = {root: (set(proper if len(proper) > 1 else children), "")}
    labels = {}
    for path in paths:
        folders = tuple(path.split("/")[:-1])
        for start, (names, kind) in roots.items():
            depth = len(start)
            if len(folders) > depth and folders[:depth] == start and folders[depth] in names:
                labels[path] = (class_name_of(folders[depth]), kind)
    return labels


def _first_fork(images: dict[Folder, list[str]], start: Folder) -> tuple[Folder, list[str]]:
    """Walks down while there is a single way; returns the folder where it ends, and that folder's sub-folders."""
    while True:
        below = [folder for folder in images if folder[: len(start)] == start]
        children = sorted({folder[len(start)] for folder in below if len(folder) > len(start)}, key=natural_key)
        if start in images or len(children) != 1:
            return start, children
        start = (*start, children[0])


def _official_parts(kinds: set[str]) -> dict[str, str]:
    """What to call each kind of part folder, see `arrange_labelled`."""
    if len(kinds) < 2:
        return dict.fromkeys(kinds, "")
    held_out = "test" if "test" in kinds else "validation"
    return {kind: "test" if kind == held_out else "train" for kind in kinds}


def _pass_over(path: str, found: Arrangement) -> None:
    if not has_image_name(path):
        found.ignored["not an image by its name"] += 1
    elif any(_part(folder) in ("test", "validation") for folder in path.split("/")[:-1]):
        found.ignored["unlabelled images of a test part"] += 1
    else:
        found.rejected.append((path, "unlabelled: neither its folder nor its name says the class"))


def describe_files(paths: Sequence[str]) -> str:
    """Says in a few words what kinds of files there are, for messages: `3 .txt, 1 .zip`."""
    kinds = Counter(_suffix(path) or "without extension" for path in paths)
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(5)) or "no files"


def _no_images(paths: Sequence[str], where: str) -> str:
    archives = [path for path in paths if _suffix(path) in ARCHIVE_SUFFIXES]
    message = f"There are no images in {where}: found {describe_files(paths)}. "
    if archives:
        return message + f"Archives in it aren't opened: set the source to one of them (say {archives[0]}), or unpack."
    return message + ALLOWED_LAYOUTS + f"; images end in {', '.join(sorted(IMAGE_SUFFIXES))}."


def _too_few_classes(classes: Sequence[str], images: dict[Folder, list[str]], where: str) -> str:
    count = sum(len(names) for names in images.values())
    folders = sorted(("/".join(folder) or "its top" for folder in images), key=natural_key)
    places = ", ".join(folders[:5]) + (f" and {len(folders) - 5:,} more folders" if len(folders) > 5 else "")
    found = f"no class but {classes[0]}" if classes else "no two classes"
    return f"Found {found} in {where}: {count:,} images in {places}. At least two are needed. {ALLOWED_LAYOUTS}."
