"""Reads a tree of folders as classes and parts.

One rule is applied from the top down. A folder with one sub-folder of images only leads there. Where it has several,
they are *parts* of a dataset if their names say so and they hold classes, else *classes*. Sub-folders that hold the
same classes and aren't named like parts can be read in several ways: such a reading carries its doubt, and the values
of `ingestion.source` and `ingestion.classes` that settle it.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import yaml

from dogs_vs_cats.sources.names import (
    PREDICTION,
    TRAIN,
    class_in_file_name,
    class_name_of,
    class_words,
    differs_as_part,
    has_image_name,
    is_mask_folder,
    listed,
    natural_key,
    part_of,
)
from dogs_vs_cats.sources.tree import Folder

MOST_NAMES = 40
"""Longer lists of classes are no advice that anybody copies."""

_PLAIN = re.compile(r"[^\W\d][\w .()+-]*|[~/.][\w /.()~+-]*")

NOT_A_PART = "beside the parts of the dataset"


@dataclass(frozen=True)
class Group:
    """Files of one class in one part.

    Attributes:
        class_name: The class; empty where nothing says it.
        part: `train`, `validation`, `test`, or empty.
        folder: Where they lie.
        files: Their paths; None for all in and below the folder.
    """

    class_name: str
    part: str
    folder: Folder
    files: Sequence[str] | None = None

    def paths(self) -> Iterator[str]:
        """Iterates over the paths of the files."""
        if self.files is not None:
            yield from self.files
        else:
            for folder in self.folder.below():
                yield from folder.files


@dataclass(frozen=True)
class Choice:
    """A way to settle a doubt.

    Attributes:
        meaning: What it chooses, in a few words.
        folder: The folder that `ingestion.source` is to name, or None.
        classes: What `ingestion.classes` is to name instead.
    """

    meaning: str
    folder: Folder | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Doubt:
    """Why there is more than one way to read a folder, and the ways to settle it."""

    reason: str
    choices: list[Choice]


@dataclass(frozen=True)
class Reading:
    """One way to understand a folder.

    Attributes:
        kind: `images` without classes, classes by `file names` or by `folders`, or `parts` that hold classes.
        groups: The files that are used.
        passed_over: (path, reason) of folders that aren't used.
        guesses: What was decided and might be wrong, in sentences.
        doubt: Why this isn't the only way to read the folder; None where it is.
    """

    kind: Literal["images", "file names", "folders", "parts"]
    groups: list[Group]
    passed_over: list[tuple[str, str]] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)
    doubt: Doubt | None = None

    @property
    def class_names(self) -> list[str]:
        """Names of the classes in natural order."""
        return sorted({group.class_name for group in self.groups} - {""}, key=natural_key)


def label_of(wanted: str, class_names: Sequence[str]) -> int | None:
    """Index of the class that a user's name means; upper and lower case only count where they distinguish classes."""
    name = class_name_of(wanted)
    if name in class_names:
        return list(class_names).index(name)
    alike = [label for label, known in enumerate(class_names) if known.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None


class Reader:
    """Reads folders of one source.

    Args:
        wanted: `ingestion.classes`: names of classes, which settle doubts; None for all.
    """

    def __init__(self, wanted: Sequence[str] | None = None) -> None:
        self._wanted = wanted

    def read(self, folder: Folder) -> Reading:
        """Finds the best reading of a folder."""
        below, masks = _without_masks([child for child in folder.folders.values() if child.images])
        named = _by_file_name(folder)
        if not below:
            return named or Reading("images", [Group("", "", folder)])
        reading = self.read(below[0]) if len(below) == 1 else self._several(below)
        if named is not None:
            reading = self._named_beside_folders(named, reading, below)
        elif reading.kind == "images" and _holds_images(folder):
            if len(reading.groups) == 1:
                reading = replace(reading, groups=[Group("", "", folder)])
            else:
                reading = replace(reading, groups=[*reading.groups, Group("", "", folder, folder.files)])
        return replace(reading, passed_over=[*masks, *reading.passed_over])

    def _several(self, folders: Sequence[Folder]) -> Reading:
        readings = {folder.path: self.read(folder) for folder in folders}
        as_classes = _folders_as_classes(folders, readings)
        parts = _Parts(folders, readings)
        if parts.labelled and (parts.certain or not self._settles(as_classes)):
            return self._as_parts(parts)
        if self._settles(as_classes):
            return as_classes
        datasets = [folder for folder in folders if readings[folder.path].kind == "parts"]
        unnamed = [folder for folder in folders if not part_of(folder.name)]
        if not datasets and len(unnamed) == 1 and readings[unnamed[0].path].class_names:
            datasets = unnamed
        if len(datasets) == 1:
            return _with_others(readings[datasets[0].path], [f for f in folders if f is not datasets[0]], readings)
        return self._as_classes(folders, readings, as_classes)

    def _as_parts(self, parts: "_Parts") -> Reading:
        doubt = next((doubt for folder in parts.labelled if (doubt := parts.readings[folder.path].doubt)), None)
        if not parts.certain:
            part, other = parts.labelled[0], next(each for each in parts.folders if each not in parts.labelled)
            reason = f"{part.path} may be a part of a dataset, or a class like {other.path} beside it"
            known = parts.readings[part.path].class_names
            same = [folder for folder in parts.folders if class_name_of(folder.name) in known]
            choices = [Choice("that folder alone", folder=folder) for folder in (part, other)]
            choices.append(_these(same if len(same) > 1 else parts.folders))
            doubt = Doubt(reason, choices)
        return replace(parts.reading(), doubt=doubt)

    def _as_classes(self, folders: Sequence[Folder], readings: dict[str, Reading], as_classes: Reading) -> Reading:
        outer = set(as_classes.class_names)
        inner = Counter(name for folder in folders for name in _inner(readings[folder.path]))
        together = _together(folders, readings)
        if self._settles(together):
            return together
        repeated = sorted((name for name, count in inner.items() if count > 1 or name in outer), key=natural_key)
        within = [names for folder in folders if (names := _inner(readings[folder.path]))]
        if len(repeated) > 1 or any(2 * len(names.intersection(repeated)) >= len(names) for names in within):
            return replace(as_classes, doubt=_same_classes(folders, readings, repeated))
        if len({class_words(folder.name) for folder in folders}) == 1:
            if not inner:
                return _unlabelled_parts(folders, readings)
            guess = f"{listed([folder.path for folder in folders])} are read together: their names say no class."
            return replace(together, guesses=[*together.guesses, guess])
        holders = [folder for folder in folders if _inner(readings[folder.path]) and not _holds_images(folder)]
        if len(holders) == 1 and len(inner) >= len(folders):
            outer_folders = [folder for folder in folders if not part_of(folder.name)]
            choices = [Choice("that folder alone", folder=holders[0]), _these(outer_folders)]
            reason = (
                f"{holders[0].path} holds classes ({listed(sorted(inner, key=natural_key))}), others beside it don't"
            )
            return replace(as_classes, doubt=Doubt(reason, choices))
        reading = self._among_classes(folders, readings)
        if inner:
            classes = together.class_names
            settle = f"; {as_value(classes)} takes them as classes" if _short(classes) else ", not as classes"
            guess = f"Sub-folders of the classes ({listed(sorted(inner))}) are read as images of their class{settle}."
            reading = replace(reading, guesses=[*reading.guesses, guess])
        return reading

    def _among_classes(self, folders: Sequence[Folder], readings: dict[str, Reading]) -> Reading:
        """Class folders, one or several of which may be named like a part."""
        # Kaggle's test1 is the one name of a part that nobody gives to a class.
        predicted = [f for f in folders if part_of(f.name) == PREDICTION or f.name.casefold() == "test1"]
        rest = [folder for folder in folders if folder not in predicted]
        if len(rest) < 2 or any(_inner(readings[folder.path]) for folder in predicted):
            predicted, rest = [], list(folders)
        reading = _folders_as_classes(rest, readings)
        to_predict = [(folder.path, unlabelled(PREDICTION)) for folder in predicted]
        reading = replace(reading, passed_over=[*reading.passed_over, *to_predict])
        named = [folder for folder in rest if part_of(folder.name)]
        parts = {part_of(folder.name) for folder in named}
        all_say_classes = len(parts) == 1 and all(part_of(f.name) and class_words(f.name) for f in rest)  # steam_train
        if not named:
            return reading
        if all_say_classes:
            guess = f"{listed([folder.path for folder in rest])} are read as classes, not as parts of a dataset."
            return replace(reading, guesses=[*reading.guesses, guess])
        without = list(dict.fromkeys(class_name_of(folder.name) for folder in rest if folder not in named))
        if len(named) == 1 and all(readings[folder.path].kind != "folders" for folder in rest):
            settle = f"; {as_value(without)} leaves it out" if len(without) > 1 and _short(without) else ""
            guess = f"{named[0].path} is read as a class, since no folder beside it is a part of a dataset{settle}."
            return replace(reading, guesses=[*reading.guesses, guess])
        if len(without) < 2:
            return _unlabelled_parts(folders, readings)
        choices = [
            Choice("the others are left out", classes=tuple(without)),
            Choice("all are classes", classes=tuple(reading.class_names)),
        ]
        reason = f"{' and '.join(folder.path for folder in named[:2])} may be parts of a dataset or classes"
        return replace(reading, doubt=Doubt(reason, choices))

    def _named_beside_folders(self, named: Reading, below: Reading, folders: Sequence[Folder]) -> Reading:
        """Photos named after their class, with folders beside them."""
        if self._settles(below) and not self._settles(named):
            return below
        doubt = None
        different = len(below.class_names) > 1 and below.class_names != named.class_names
        if different and not below.doubt and not self._settles(named):
            choices = [
                Choice("the files are named after them", classes=tuple(named.class_names)),
                Choice("the folders are the classes", classes=tuple(below.class_names)),
            ]
            doubt = Doubt("files are named after classes, and lie beside folders of classes", choices)
        known = set(named.class_names)
        groups, passed = list(named.groups), []
        for folder in folders:
            part = part_of(folder.name)
            more = _by_file_name(folder, known) if part else None
            if more:
                groups += [replace(group, part=part) for group in more.groups]
            else:
                passed.append(
                    (folder.path, unlabelled(part) if part else "beside photos that are named after their class")
                )
        return replace(named, groups=groups, passed_over=passed, doubt=doubt)

    def _settles(self, reading: Reading) -> bool:
        """Whether `ingestion.classes` names classes of this reading alone."""
        names = reading.class_names
        return self._wanted is not None and all(label_of(name, names) is not None for name in self._wanted)


class _Parts:
    """Folders beside each other, some of which are parts of a dataset."""

    def __init__(self, folders: Sequence[Folder], readings: dict[str, Reading]) -> None:
        self.folders = folders
        self.readings = dict(readings)
        self._parts = {folder.path: part_of(folder.name) for folder in folders}
        named = [folder for folder in folders if self._parts[folder.path] not in ("", PREDICTION)]
        known = {name for folder in named for name in readings[folder.path].class_names}
        for folder in named:
            self.readings[folder.path] = _single_class(folder, readings[folder.path], known)
        self.labelled = [folder for folder in named if self.readings[folder.path].class_names]
        self._known = {name for folder in self.labelled for name in self.readings[folder.path].class_names}
        self._guesses = self._find_training_part()
        others = [folder for folder in folders if not self._parts[folder.path]]
        by_name = any(self.readings[folder.path].kind == "file names" for folder in self.labelled)
        self.certain = not others or by_name or len(set(self._parts.values()) - {""}) > 1

    def _find_training_part(self) -> list[str]:
        """`flowers` beside `flowers_test`, or `entrainement` beside `validation` and `test`, with the same classes."""
        parts = {self._parts[folder.path] for folder in self.labelled}
        if not parts or TRAIN in parts:
            return []
        same = [
            folder
            for folder in self.folders
            if not self._parts[folder.path]
            and self.readings[folder.path].kind != "parts"
            and (len(parts) > 1 or any(differs_as_part(folder.name, part.name) for part in self.labelled))
            and len(self._known & set(self.readings[folder.path].class_names)) > 1
        ]
        if len(same) != 1:
            return []
        self._parts[same[0].path] = TRAIN
        self.labelled = [*self.labelled, same[0]]
        return [f"{same[0].path} is read as the training part: it holds the classes of {self.labelled[0].path}."]

    def reading(self) -> Reading:
        """The labelled parts; all else is passed over."""
        groups: list[Group] = []
        passed: list[tuple[str, str]] = []
        guesses = list(self._guesses)
        others = []
        for folder in self.folders:
            part, reading = self._parts[folder.path], self.readings[folder.path]
            if folder not in self.labelled:
                named = _by_file_name(folder, self._known) if part and part != PREDICTION else None
                if named is None:
                    others.append(folder)
                    continue
                reading = named
            groups += [replace(group, part=group.part or part) for group in reading.groups]
            passed += reading.passed_over
            guesses += reading.guesses
        return _with_others(Reading("parts", groups, passed, guesses), others, self.readings)


def unlabelled(part: str) -> str:
    """Why a folder named like a part isn't used."""
    if part == PREDICTION:
        return "unlabelled images to predict"
    return f"unlabelled images of a {'training' if part == TRAIN else part} part"


def _with_others(reading: Reading, others: Sequence[Folder], readings: dict[str, Reading]) -> Reading:
    """A reading beside which other folders are passed over, with a warning if they hold classes."""
    passed = list(reading.passed_over)
    guesses = list(reading.guesses)
    for folder in others:
        part = part_of(folder.name)
        passed.append((folder.path, unlabelled(part) if part else NOT_A_PART))
        if not part and len(readings[folder.path].class_names) > 1:
            guesses.append(
                f"{folder.path} has classes too, but lies beside the parts of the dataset and isn't read; to read it "
                "instead, set ingestion.source to that folder."
            )
    return replace(reading, passed_over=passed, guesses=guesses)


def _holds_images(folder: Folder) -> bool:
    return any(has_image_name(path) for path in folder.files)


def _by_file_name(folder: Folder, known: Collection[str] = ()) -> Reading | None:
    """Classes by the names of the files directly in a folder: two or more, or any of those that are known."""
    files: dict[str, list[str]] = defaultdict(list)
    for path in folder.files:
        if name := class_in_file_name(path.rpartition("/")[2]):
            files[name].append(path)
    names = [name for name, paths in files.items() if any(has_image_name(path) for path in paths)]
    names = [name for name in names if name in known] if known else names
    if len(names) < (1 if known else 2):
        return None
    return Reading("file names", [Group(name, "", folder, files[name]) for name in names])


def _single_class(part: Folder, reading: Reading, known: Collection[str]) -> Reading:
    """A part that has images of one class only, in a folder that is named after it."""
    folder = reading.groups[0].folder
    if reading.kind != "images" or len(reading.groups) > 1 or folder is part:
        return reading
    name = class_name_of(folder.name)
    is_class = name in known if known else class_words(folder.name) and not part_of(folder.name)
    if not is_class:
        return reading
    return Reading("folders", [Group(name, "", folder)], reading.passed_over)


def _folders_as_classes(folders: Sequence[Folder], readings: dict[str, Reading]) -> Reading:
    """Each folder is a class, with all that lies below it except for masks; a class may have parts."""
    groups: list[Group] = []
    passed: list[tuple[str, str]] = []
    for folder in folders:
        reading = readings[folder.path]
        if reading.class_names or (len(reading.groups) == 1 and not reading.passed_over):
            groups.append(Group(class_name_of(folder.name), "", folder))
        else:
            groups += [replace(group, class_name=class_name_of(folder.name)) for group in reading.groups]
            passed += reading.passed_over
    return Reading("folders", groups, passed)


def _together(folders: Sequence[Folder], readings: dict[str, Reading]) -> Reading:
    """The classes that lie in all of the folders; a folder without any is a class itself if its name may say one."""
    within = [folder for folder in folders if _inner(readings[folder.path])]
    rest = [folder for folder in folders if folder not in within]
    alone = _folders_as_classes([folder for folder in rest if class_words(folder.name)], readings)
    groups = [group for folder in within for group in readings[folder.path].groups]
    passed = [row for folder in within for row in readings[folder.path].passed_over]
    passed += [(folder.path, "images without a class") for folder in rest if not class_words(folder.name)]
    return Reading("folders", [*groups, *alone.groups], [*passed, *alone.passed_over])


def _these(folders: Sequence[Folder]) -> Choice:
    names = dict.fromkeys(class_name_of(folder.name) for folder in folders)
    return Choice("these folders are the classes", classes=tuple(names))


def _same_classes(folders: Sequence[Folder], readings: dict[str, Reading], repeated: Sequence[str]) -> Doubt:
    """Folders whose names aren't those of parts hold the same classes."""
    holders = [folder for folder in folders if not _inner(readings[folder.path]).isdisjoint(repeated)]
    names = sorted({name for folder in holders for name in _inner(readings[folder.path])}, key=natural_key)
    datasets = any(readings[folder.path].kind == "parts" for folder in folders)
    choices = [Choice("that folder alone", folder=folder) for folder in holders[: 2 if datasets else 1]]
    if len(holders) > 1:
        same = " and the same file names" if _same_files(*(readings[folder.path] for folder in holders[:2])) else ""
        reason = (
            f"{' and '.join(folder.path for folder in holders[:2])} hold the same classes ({listed(repeated)}){same}"
        )
        reason += ", and their names don't say that they are parts"
        choices.append(Choice("all together", classes=tuple(names)))
        outer = folders
    else:
        reason = f"{holders[0].path} holds classes that lie beside it too ({listed(repeated)})"
        outer = [folder for folder in folders if class_name_of(folder.name) in repeated]
    choices += [] if datasets else [_these(outer)]
    return Doubt(reason, choices)


def _unlabelled_parts(folders: Sequence[Folder], readings: dict[str, Reading]) -> Reading:
    groups = [
        replace(group, class_name="", part=group.part or part_of(folder.name))
        for folder in folders
        for group in readings[folder.path].groups
        if part_of(folder.name) != PREDICTION
    ]
    passed = [(f.path, unlabelled(PREDICTION)) for f in folders if part_of(f.name) == PREDICTION]
    return Reading("images", groups, passed)


def _without_masks(folders: list[Folder]) -> tuple[list[Folder], list[tuple[str, str]]]:
    """Leaves out masks and annotations that lie beside the images they belong to."""
    masks = [folder for folder in folders if is_mask_folder(folder.name)]
    images = [folder for folder in folders if folder not in masks]
    if not masks or not images or any(class_words(folder.name) for folder in images):
        return folders, []
    return images, [(folder.path, "masks or annotations beside images") for folder in masks]


def _inner(reading: Reading) -> set[str]:
    """Classes within a folder; cameras name files like Kaggle does (`IMG.1.jpg`), so file names don't count."""
    return set() if reading.kind == "file names" else set(reading.class_names)


def _same_files(first: Reading, second: Reading) -> bool:
    def files(reading: Reading) -> set[tuple[str, str, str]]:
        return {
            (group.class_name, group.part, path.rpartition("/")[2])
            for group in reading.groups
            for path in group.paths()
        }

    return files(first) == files(second)


def _short(names: Sequence[str]) -> bool:
    return len(names) <= MOST_NAMES


def as_value(names: Sequence[str]) -> str:
    """The classes as `ingestion.classes` takes them on the command line; only their number where there are many."""
    if not _short(names):
        return f"ingestion.classes to the {len(names):,} names"
    return f"ingestion.classes=[{','.join(as_yaml(name) for name in names)}]"


def as_yaml(text: str) -> str:
    """Text as a YAML value that stays text: with quotes where it has commas or would be a number or `true`.

    It has no apostrophes, so that it can stand in `--params='…'`.
    """
    if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False).replace("'", r"\u0027")
