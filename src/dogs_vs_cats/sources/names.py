"""What the names of files and folders say: image or document, class, part of a dataset, mask."""

import posixpath
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

# fmt: off
IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
    ".heic", ".heif", ".avif",
})
ARCHIVE_SUFFIXES = frozenset({".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"})
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".xls", ".xlsx"})
DOCUMENT_SUFFIXES = TABLE_SUFFIXES | {
    ".txt", ".md", ".rst", ".json", ".jsonl", ".xml", ".yml", ".yaml", ".toml", ".html", ".htm", ".pdf",
    ".doc", ".docx", ".rtf", ".odt", ".log", ".ini", ".cfg", ".db", ".py", ".ipynb", ".sh", ".dvc",
    ".sha256", ".md5",
}
"""Companions of a collection of images that nobody takes for images; only looked at where there are no classes."""

TRAIN, VALIDATION, TEST, PREDICTION = "train", "validation", "test", "prediction"
PART_WORDS = {
    word: part
    for part, words in {
        TRAIN: ("train", "training", "trainval", "trn"),
        VALIDATION: ("val", "valid", "validation", "dev", "devel", "development"),
        TEST: ("test", "testing", "tst", "eval", "evaluation", "holdout", "heldout"),
        PREDICTION: ("pred", "preds", "predict", "prediction", "predictions", "unlabelled", "unlabeled"),
    }.items()
    for word in words
}
"""Words in the name of a folder that say which part of a dataset it holds."""

PIECE_WORDS = frozenset({"fold", "part", "batch", "chunk", "shard", "split", "subset"})
"""Words that, with a number or a letter, name one piece of the training data: `fold1`, `part_two`, `batch-b`."""

NUMBER_WORDS = frozenset({"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"})

COLLECTION_WORDS = PIECE_WORDS | {
    "set", "sets", "data", "dataset", "image", "images", "img", "imgs", "photo", "photos", "picture", "pictures",
    "jpeg", "jpg", "png", "rgb", "original", "originals", "input", "inputs",
}
"""Words that say nothing about a class."""

MASK_WORDS = frozenset({
    "mask", "masks", "label", "labels", "annotation", "annotations", "segmentation", "segmentations", "trimap",
    "trimaps", "groundtruth", "gt",
})
"""Words in the name of a folder of masks, which lies beside one of the images that they belong to."""
# fmt: on

_SYSTEM_NAMES = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"})
_NUMBER = re.compile("0*([0-9]+)")
_CLASS_IN_NAME = re.compile(r"(?P<name>[^\W\d_][^.]*)\.\d+\.[^.]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_GLUED = re.compile(r"(\w+?)(sets?|data|images?|imgs?)")


def natural_key(text: str) -> tuple[str, str]:
    """Sorting key that puts `cat.2` before `cat.10`, whatever the number of digits.

    Each number is written behind its number of digits; the text itself settles `01` against `1`.
    """
    return _NUMBER.sub(lambda number: f"{len(number[1]):05}{number[1]}", text), text


def suffix_of(path: str) -> str:
    """The extension of a path in lower case, with its dot."""
    return posixpath.splitext(path)[1].lower()


def is_system_file(path: str) -> bool:
    """Whether a path names something an operating system or a tool left behind, such as `.DS_Store`."""
    return any(part.startswith(".") or part.lower() in _SYSTEM_NAMES for part in path.split("/"))


def has_image_name(path: str) -> bool:
    """Whether a path ends like an image."""
    return suffix_of(path) in IMAGE_SUFFIXES


@lru_cache(maxsize=4096)
def class_name_of(folder: str) -> str:
    """Name of the class that a folder or file name stands for.

    `Cat`, `cats`, `DOGS` and the like become `cat` and `dog`, so that every edition of that data gives the same
    classes. All other names stay as they are, in Unicode's composed form, because `A` and `a` may be two classes.
    """
    name = unicodedata.normalize("NFC", folder).strip()
    return {"cat": "cat", "cats": "cat", "dog": "dog", "dogs": "dog"}.get(name.casefold(), name)


def class_in_file_name(name: str) -> str:
    """Name of the class that a file is named after, as in `cat.0.jpg`; empty where there is none."""
    match = _CLASS_IN_NAME.fullmatch(name)
    return class_name_of(match["name"]) if match else ""


@lru_cache(maxsize=4096)
def part_of(folder: str) -> str:
    """The part of a dataset that a folder is named after, with any prefix or suffix; empty where there is none.

    Returns:
        `train`, `validation`, `test` or `prediction`: `seg_train`, `Train-2019`, `trainset` and `fold3` are `train`.
    """
    words = _words(folder)
    joined = [first + second for first, second in pairwise(words)]  # hold-out
    parts = {PART_WORDS[word] for word in [*words, *joined] if word in PART_WORDS}
    if PREDICTION in parts:
        return PREDICTION
    if parts == {TRAIN, VALIDATION}:
        return TRAIN
    if not parts and PIECE_WORDS & set(words) and any(map(_is_number, words)):
        return TRAIN
    return parts.pop() if len(parts) == 1 else ""


@lru_cache(maxsize=4096)
def class_words(folder: str) -> tuple[str, ...]:
    """The words of a folder's name that may say a class.

    Returns:
        The whole name, unless it has words for parts or collections: then the words that are neither these nor
        numbers. `HAM10000_images_part_1` and `_2` both leave `ham`; `test1` leaves nothing.
    """
    words = _words(folder)
    others = [word for word in words if word not in PART_WORDS and word not in COLLECTION_WORDS]
    if len(others) == len(words):
        return (folder,)
    says_nothing = str.isdigit if PIECE_WORDS.isdisjoint(words) else _is_number
    return tuple(word for word in others if not says_nothing(word))


def differs_as_part(folder: str, part: str) -> bool:
    """Whether two names differ only in words for parts and collections: `Flowers` and `flowers_test`."""

    def rest(name: str) -> list[str]:
        return [word for word in _words(name) if word not in PART_WORDS and word not in COLLECTION_WORDS]

    return rest(folder) == rest(part)


def is_mask_folder(folder: str) -> bool:
    """Whether a folder is named like one of masks or annotations."""
    return not MASK_WORDS.isdisjoint(_words(folder))


def _is_number(word: str) -> bool:
    """Whether a word may number the pieces of something, be it by a letter."""
    return word.isdigit() or len(word) == 1 or word in NUMBER_WORDS


def _words(name: str) -> list[str]:
    """The words and numbers that a name is made of, in lower case: `TrainSet-01` is train, set, 01."""
    words: list[str] = []
    for word in _WORD.findall(_HUMP.sub(" ", name)):
        word = word.casefold()
        glued = _GLUED.fullmatch(word)
        words += glued.groups() if glued and glued[1] in PART_WORDS else [word]
    return words


def listed(words: Sequence[str], most: int = 5) -> str:
    """The first of some words and the number of the others, for messages."""
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more
