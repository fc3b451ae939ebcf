"""The meaning of file and folder names: image or document, class, part of a dataset, mask."""

import posixpath
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from dogs_vs_cats.parameters.ingestion import LABEL_SUFFIXES

# fmt: off
IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
    ".heic", ".heif", ".avif",
})
ARCHIVE_SUFFIXES = frozenset({".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"})
TABLE_SUFFIXES = LABEL_SUFFIXES | {".xls", ".xlsx"}
DOCUMENT_SUFFIXES = TABLE_SUFFIXES | {
    ".txt", ".md", ".rst", ".json", ".jsonl", ".xml", ".yml", ".yaml", ".toml", ".html", ".htm", ".pdf",
    ".doc", ".docx", ".rtf", ".odt", ".log", ".ini", ".cfg", ".db", ".py", ".ipynb", ".sh", ".dvc",
    ".sha256", ".md5",
}
"""Companions of a collection of images that are clearly no images; they matter only where there are no classes."""

TRAIN, VALIDATION, TEST, PREDICTION = PARTS = ("train", "validation", "test", "prediction")
PIECE, NUMBER, COLLECTION, MASK = "piece", "number", "collection", "mask"
_MEANINGS = {
    # Parts of a dataset.
    TRAIN: "train training trainval trn",
    VALIDATION: "val valid validation dev devel development",
    TEST: "test testing tst eval evaluation holdout heldout",
    PREDICTION: "pred preds predict prediction predictions unlabelled unlabeled",
    # With a number or a letter, one piece of the training part: `fold1`, `part_two`, `batch-b`.
    PIECE: "fold part batch chunk shard split subset",
    NUMBER: "one two three four five six seven eight nine ten",
    # Any images of any class.
    COLLECTION: "set sets data dataset image images img imgs photo photos picture pictures jpeg jpg png rgb original "
    "originals input inputs",
    # Masks, which lie beside the images that they belong to.
    MASK: "mask masks label labels annotation annotations segmentation segmentations trimap trimaps groundtruth gt",
}
_MEANING = {word: meaning for meaning, words in _MEANINGS.items() for word in words.split()}
"""All words in the names of folders that mean something to this project; any other word may say a class."""
# fmt: on

_ROLES = {
    "label": "label labels class classes classname category categories target breed species diagnosis dx",
    "part": "part split subset set partition phase usage",
    "image": "path paths filepath file files filename filenames image images imagename imageid img imgs photo photos "
    "picture pictures id ids name names",
}
_ROLE = {word: role for role, words in _ROLES.items() for word in words.split()}
"""Words in the headers of a table of labels. Of several words, the first role in this order counts: `class_name`."""

_SYSTEM_NAMES = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"})
_NUMBER = re.compile("0*([0-9]+)")
_CLASS_IN_NAME = re.compile(r"(?P<name>[^\W\d_][^.]*)\.\d+\.[^.]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_GLUED = re.compile(r"(\w+?)(sets?|data|images?|imgs?)")


def separator_of(header: str) -> str:
    """The separator of a table's columns, by its first line: a comma, a semicolon, a tab or a vertical bar."""
    return max(",;\t|", key=header.count)


def natural_key(text: str) -> tuple[str, str]:
    """Sorting key that puts `cat.2` before `cat.10`, whatever the number of digits.

    Each number is written behind its number of digits; the text itself settles `01` against `1`.
    """
    return _NUMBER.sub(lambda number: f"{len(number[1]):05}{number[1]}", text), text


def as_text(path: str) -> str:
    r"""A path that any text file and any table can hold.

    Bytes that aren't UTF-8 become `\xNN`; so do carriage returns, which tables of comma-separated values don't quote,
    and which would end a row of theirs.
    """
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\r", r"\x0d")


def suffix_of(path: str) -> str:
    """The extension of a path in lower case, with its dot."""
    return posixpath.splitext(path)[1].lower()


def is_system_file(path: str) -> bool:
    """Whether a path names something an operating system or a tool left behind, such as `.DS_Store`."""
    return any(part.startswith(".") or part.lower() in _SYSTEM_NAMES for part in path.split("/"))


def has_image_name(path: str) -> bool:
    """Whether a path ends like an image."""
    return suffix_of(path) in IMAGE_SUFFIXES


def composed(text: str) -> str:
    """Text in Unicode's composed form (NFC); macOS may write the letters of file names in two parts (NFD)."""
    return unicodedata.normalize("NFC", text)


def class_name_of(folder: str) -> str:
    """Name of the class that a folder or file name stands for.

    `Cat`, `cats`, `DOGS` and the like become `cat` and `dog`, so that every edition of that data gives the same
    classes. All other names stay as they are, in Unicode's composed form, because `A` and `a` may be two classes.
    """
    name = composed(folder).strip()
    return {"cat": "cat", "cats": "cat", "dog": "dog", "dogs": "dog"}.get(name.casefold(), name)


def label_of(wanted: str, class_names: Sequence[str]) -> int | None:
    """Index of the class that a user's name means; upper and lower case only count where they distinguish classes."""
    name = class_name_of(wanted)
    if name in class_names:
        return list(class_names).index(name)
    alike = [label for label, known in enumerate(class_names) if known.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None


def class_in_file_name(name: str) -> str:
    """Name of the class that a file is named after, as in `cat.0.jpg`; empty where there is none."""
    match = _CLASS_IN_NAME.fullmatch(name)
    return class_name_of(match["name"]) if match else ""


def part_of(folder: str) -> str:
    """The part of a dataset that a folder is named after, with any prefix or suffix; empty where there is none.

    Returns:
        `train`, `validation`, `test` or `prediction`: `seg_train`, `Train-2019`, `trainset` and `fold3` are `train`.
    """
    words = _words(folder)
    joined = [first + second for first, second in pairwise(words)]  # hold-out
    parts = {_MEANING.get(word, "") for word in [*words, *joined]}.intersection(PARTS)
    if PREDICTION in parts:
        return PREDICTION
    if parts == {TRAIN, VALIDATION}:
        return TRAIN
    if not parts and _names_pieces(words) and any(map(_is_number, words)):
        return TRAIN
    return parts.pop() if len(parts) == 1 else ""


def class_words(folder: str) -> tuple[str, ...]:
    """The words of a folder's name that may say a class.

    Returns:
        The whole name, unless it has words for parts or collections: then the words that are neither these nor
        numbers. `HAM10000_images_part_1` and `_2` both leave `ham`; `test1` leaves nothing.
    """
    words, others = _words(folder), _other_words(folder)
    if len(others) == len(words):
        return (folder,)
    says_nothing = _is_number if _names_pieces(words) else str.isdigit
    return tuple(word for word in others if not says_nothing(word))


def column_role(header: str) -> str:
    """Content of a column of a table of labels, by its header: `image`, `label`, `part`, or empty if none says so."""
    roles = {_ROLE.get(word, "") for word in _words(header)}
    return next((role for role in _ROLES if role in roles), "")


def differs_as_part(folder: str, part: str) -> bool:
    """Whether two names differ only in words for parts and collections: `Flowers` and `flowers_test`."""
    return _other_words(folder) == _other_words(part)


def is_never_a_class(folder: str) -> bool:
    """Whether no class would have this name: one for images to predict, or Kaggle's `test1`."""
    return part_of(folder) == PREDICTION or folder.casefold() == "test1"


def is_mask_folder(folder: str) -> bool:
    """Whether a folder is named like one of masks or annotations."""
    return any(_MEANING.get(word) == MASK for word in _words(folder))


def _other_words(name: str) -> list[str]:
    """The words of a name but those for parts and collections."""
    return [word for word in _words(name) if _MEANING.get(word) in (None, NUMBER, MASK)]


def _names_pieces(words: list[str]) -> bool:
    return any(_MEANING.get(word) == PIECE for word in words)


def _is_number(word: str) -> bool:
    """Whether a word may number the pieces of something, be it by a letter."""
    return word.isdigit() or len(word) == 1 or _MEANING.get(word) == NUMBER


def _words(name: str) -> list[str]:
    """The words and numbers that a name is made of, in lower case: `TrainSet-01` is train, set, 01."""
    words: list[str] = []
    for word in _WORD.findall(_HUMP.sub(" ", name)):
        word = word.casefold()
        glued = _GLUED.fullmatch(word)
        words += glued.groups() if glued and _MEANING.get(glued[1]) in PARTS else [word]
    return words
