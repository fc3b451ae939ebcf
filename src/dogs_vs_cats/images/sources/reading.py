"""Reads a tree of folders as classes and parts.

`Reader.read` works from the top down. A folder with a single sub-folder of images is read as that sub-folder. Several
sub-folders beside each other, the *branches*, have three possible readings:

* *dataset*: branches that are named like parts and hold classes are the parts; the others are ignored;
* *outer*: each branch is a class, with everything below it;
* *inner*: the branches hold the classes, and their own names mean nothing.

A dataset comes first. Of the other two, `ingestion.classes` selects the first that has all of its classes; without it,
the names of folders and classes exclude one. If both remain possible, the reading carries a doubt, and the values of
`ingestion.source` and `ingestion.classes` that settle it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from dogs_vs_cats.errors import listed
from dogs_vs_cats.images.sources.names import (
    PREDICTION,
    TRAIN,
    class_in_file_name,
    class_name_of,
    class_words,
    differs_as_part,
    has_image_name,
    is_mask_folder,
    is_never_a_class,
    label_of,
    natural_key,
    part_of,
)
from dogs_vs_cats.images.sources.tree import Folder
from dogs_vs_cats.parameters.command_line import as_yaml

MOST_NAMES = 40
"""Messages spell out lists of classes up to this length."""

Kind = Literal["images", "file names", "folders", "dataset"]


@dataclass(frozen=True)
class Group:
    """Files of one class in one part.

    Attributes:
        class_name: The class; empty if it is unknown.
        part: `train`, `validation`, `test`, or empty.
        folder: Where they lie.
        files: Their paths, if the class is in their names; None for all files in and below the folder.
    """

    class_name: str
    part: str
    folder: Folder
    files: Sequence[str] | None = None

    def paths(self) -> Iterator[str]:
        """Iterates over the paths of the files."""
        yield from self.folder.paths() if self.files is None else self.files


@dataclass(frozen=True)
class Choice:
    """A parameter value that settles a doubt.

    Attributes:
        meaning: Its effect, in a few words.
        classes: The value of `ingestion.classes`.
        folder: The folder to name by `ingestion.source` instead.
    """

    meaning: str
    classes: Sequence[str] = ()
    folder: Folder | None = None


@dataclass(frozen=True)
class Reading:
    """One way to understand a folder.

    Attributes:
        kind: `images` without classes, classes by `file names` or by `folders`, or a `dataset` of parts with classes.
        groups: The files that are used.
        ignored: (folder, reason) of unused folders.
        guesses: Decisions that might be wrong, in sentences.
        doubt: Why the folder can be read in another way, too; empty if it can't.
        choices: The ways to settle the doubt, the best first.
        folder: The folder.
        part: The part of a dataset that it is named after; empty where there is none.
    """

    kind: Kind
    groups: list[Group]
    ignored: list[tuple[Folder, str]] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)
    doubt: str = ""
    choices: list[Choice] = field(default_factory=list)
    folder: Folder = field(default_factory=Folder)
    part: str = ""

    @property
    def class_names(self) -> list[str]:
        """Names of the classes in natural order."""
        return sorted({group.class_name for group in self.groups} - {""}, key=natural_key)

    @property
    def inner_classes(self) -> list[str]:
        """Classes in the folder; cameras name files like Kaggle does (`IMG.1.jpg`), so file names don't count."""
        return [] if self.kind == "file names" else self.class_names

    def as_class(self) -> "Reading":
        """The folder as a class, with all that lies below except for masks; a class may have parts."""
        whole = self.class_names or not (self.ignored or any(group.part for group in self.groups))
        groups = [Group("", "", self.folder)] if whole else self.groups
        groups = [replace(group, class_name=class_name_of(self.folder.name)) for group in groups]
        return Reading("folders", groups, [] if whole else self.ignored, folder=self.folder)

    def guess(self, sentence: str) -> "Reading":
        """The same reading with one more guess."""
        return replace(self, guesses=[*self.guesses, sentence])


class Reader:
    """Reads folders of one source.

    Args:
        wanted: `ingestion.classes`: names of classes, which settle doubts; None for all.
    """

    def __init__(self, wanted: Sequence[str] | None = None) -> None:
        self._wanted = wanted

    def read(self, folder: Folder) -> Reading:
        """Finds the best reading of a folder."""
        images, masks = _without_masks([child for child in folder.folders.values() if child.images])
        branches = [self.read(child) for child in images]
        if not branches:
            reading = Reading("images", [Group("", "", folder)])
        else:
            reading = branches[0] if len(branches) == 1 else self._side_by_side(branches)
        if named := _by_file_name(folder):
            reading = self._names_or_folders(named, reading, branches)
        elif branches and folder.own_images and not reading.class_names:
            own = Group("", "", Folder(folder.path, folder.files))
            reading = replace(reading, groups=[*reading.groups, own])
        ignored = [*((mask, "masks or annotations beside images") for mask in masks), *reading.ignored]
        return replace(reading, ignored=ignored, folder=folder, part=part_of(folder.name))

    def _side_by_side(self, branches: list[Reading]) -> Reading:
        branches = _with_single_classes(branches)
        if dataset := _dataset(branches):
            return dataset
        outer = _combined("folders", [branch.as_class() for branch in branches])
        inner = _inner(branches)
        if settled := self._settled(outer, inner):
            return settled
        if choices := _choices(branches, outer, inner):
            holders = listed([choice.folder.path for choice in choices if choice.folder])
            doubt = f"{holders} may hold the classes ({listed(inner.class_names)}) or be classes themselves"
            return replace(outer, doubt=doubt, choices=choices)
        if _say_classes(branches):
            return _outer(branches, inner)
        if any(branch.inner_classes for branch in branches):
            paths = listed([branch.folder.path for branch in branches])
            return inner.guess(f"{paths} are read together: their names say no class.")
        reading = _combined("images", [branch for branch in branches if branch.part != PREDICTION], branches)
        if not all(branch.part for branch in branches):
            names = outer.class_names
            reading = reading.guess(f"If {listed(names)} are the classes, set {as_value(names)}.")
        return reading

    def _names_or_folders(self, named: Reading, folders: Reading, branches: list[Reading]) -> Reading:
        """Files named after classes, and the folders beside them."""
        names = _combined("file names", [named], branches)
        if len(folders.class_names) < 2 or folders.class_names == names.class_names:
            return names
        choices = [
            Choice("the files are named after them", names.class_names),
            Choice("the folders are the classes", folders.class_names),
        ]
        doubt = "files are named after classes, and lie beside folders of classes"
        return self._settled(names, folders) or replace(names, doubt=doubt, choices=choices)

    def _settled(self, *candidates: Reading) -> Reading | None:
        """The first candidate that has all classes of `ingestion.classes`."""
        for reading in candidates if self._wanted else ():
            names = reading.class_names
            if all(label_of(name, names) is not None for name in self._wanted or ()):
                return replace(reading, guesses=[], doubt="")
        return None


def _combined(kind: Kind, used: Sequence[Reading], branches: Sequence[Reading] = ()) -> Reading:
    """Some branches as one reading; the others are ignored, with a guess if they hold classes."""
    taken = {reading.folder.path for reading in used}
    others = [branch for branch in branches if branch.folder.path not in taken]
    doubtful = next((reading for reading in used if reading.doubt), Reading(kind, []))
    guesses = [guess for reading in used for guess in reading.guesses]
    guesses += [
        f"{branch.folder.path} has classes too, but isn't read; to read it, set ingestion.source to that folder."
        for branch in others
        if not branch.part and len(branch.class_names) > 1
    ]
    ignored = [passed for reading in used for passed in reading.ignored]
    ignored += [
        (branch.folder, f"unlabelled images of the {branch.part} part" if branch.part else "beside images with classes")
        for branch in others
    ]
    groups = [replace(group, part=group.part or reading.part) for reading in used for group in reading.groups]
    return Reading(kind, groups, ignored, guesses, doubtful.doubt, doubtful.choices)


def _with_single_classes(branches: list[Reading]) -> list[Reading]:
    """Labels parts that hold a single folder if another part has it as a class, too."""
    known = {name for branch in branches if branch.part not in ("", PREDICTION) for name in branch.class_names}

    labelled = []
    for branch in branches:
        folder = branch.groups[0].folder if len(branch.groups) == 1 else branch.folder
        name = class_name_of(folder.name)
        if folder is branch.folder or branch.class_names or branch.part in ("", PREDICTION) or name not in known:
            labelled.append(branch)
        else:
            labelled.append(replace(branch, kind="folders", groups=[Group(name, "", folder)]))
    return labelled


def _dataset(branches: list[Reading]) -> Reading | None:
    """Parts that hold classes, or the only branch that holds a dataset."""
    parts = [branch for branch in branches if branch.part not in ("", PREDICTION) and branch.class_names]
    unnamed = [branch for branch in branches if not branch.part]
    training = _training_part(parts, unnamed)
    kinds = {branch.part for branch in [*branches, *training]} - {""}
    if parts and (not unnamed or len(kinds) > 1 or any(part.kind == "file names" for part in parts)):
        return _combined("dataset", [*parts, *training], branches)
    only = [branch for branch in branches if branch.kind == "dataset"] or unnamed
    if len(only) == 1 and only[0].class_names and not parts:
        return _combined(only[0].kind, only, branches)
    return None


def _training_part(parts: list[Reading], unnamed: list[Reading]) -> list[Reading]:
    """`flowers` beside `flowers_test`, or `entrainement` beside `validation` and `test`, with the same classes."""
    known = {name for part in parts for name in part.class_names}
    kinds = {part.part for part in parts}
    same = [
        branch
        for branch in unnamed
        if len(known.intersection(branch.class_names)) > 1
        and (len(kinds) > 1 or any(differs_as_part(branch.folder.name, part.folder.name) for part in parts))
    ]
    if len(same) != 1 or TRAIN in kinds:
        return []
    guess = f"{same[0].folder.path} is read as the training part: it holds the classes of {parts[0].folder.path}."
    return [replace(same[0].guess(guess), part=TRAIN)]


def _inner(branches: list[Reading]) -> Reading:
    """The classes within the branches; a branch without any is a class itself if its name may say one."""
    opened = [
        branch if branch.inner_classes else branch.as_class()
        for branch in branches
        if branch.inner_classes or class_words(branch.folder.name)
    ]
    return _combined("folders", opened, branches)


def _choices(branches: list[Reading], outer: Reading, inner: Reading) -> list[Choice]:
    """The ways to settle whether branches are classes or hold them; empty where there is no doubt.

    It is doubtful where the same classes lie in several places, or where a single branch holds classes and nothing
    else, at least as many as there are branches.
    """
    holders = [branch for branch in branches if branch.inner_classes]
    counts = Counter(name for branch in holders for name in branch.inner_classes)
    shared = {name for name, count in counts.items() if count > 1 or name in outer.class_names}
    lone = len(holders) == 1 and not holders[0].folder.own_images and len(counts) >= len(branches)
    if shared:
        holders = [branch for branch in holders if not shared.isdisjoint(branch.inner_classes)]
    elif not (lone and _say_classes(branches)):
        return []
    alone = [Choice("that folder alone", folder=branch.folder) for branch in holders]
    choices = alone[:1]
    if len(holders) > 1 and not any(branch.part for branch in holders):
        choices.append(Choice("all together", inner.class_names))
    if not any(branch.kind == "dataset" for branch in holders):
        beside = sorted(shared & set(outer.class_names), key=natural_key)
        choices.append(Choice("these folders are the classes", beside if len(beside) > 1 else outer.class_names))
    return [*choices, *alone[1:]]


def _say_classes(branches: list[Reading]) -> bool:
    """Whether the names of branches may be those of classes: not `train` and `test`, nor `images_1` and `images_2`."""
    words = {class_words(branch.folder.name) for branch in branches}
    parts = [branch.part for branch in branches if branch.part]
    if len(parts) == len(branches):
        return len(set(parts)) == 1 and len(words) > 1 and () not in words
    return len(words) > 1 and (len(parts) < 2 or len(branches) - len(parts) > 1)


def _outer(branches: list[Reading], inner: Reading) -> Reading:
    """Branches as classes, although some may be named like parts."""
    used = [branch for branch in branches if not is_never_a_class(branch.folder.name)]
    outer = _combined("folders", [branch.as_class() for branch in used], branches)
    named = [branch.folder.path for branch in used if branch.part]
    unnamed = sorted({class_name_of(branch.folder.name) for branch in used if not branch.part}, key=natural_key)
    held = sorted({name for branch in branches for name in branch.inner_classes}, key=natural_key)
    if held:
        settle = f"; {as_value(inner.class_names)} takes them as classes"
        outer = outer.guess(f"Sub-folders of the classes ({listed(held)}) are read as images of their class{settle}.")
    if named and unnamed and (len(named) > 1 or held):
        doubt = f"{listed(named)} may be parts of a dataset or classes"
        choices = [Choice("the others are left out", unnamed), Choice("all are classes", outer.class_names)]
        return replace(outer, doubt=doubt, choices=choices)
    if named:
        settle = f"; {as_value(unnamed)} leaves it out" if len(unnamed) > 1 else ""
        return outer.guess(f"Read as classes, not as parts of a dataset: {listed(named)}{settle}.")
    return outer


def _by_file_name(folder: Folder) -> Reading | None:
    """Two or more classes by the names of the files directly in a folder."""
    files: dict[str, list[str]] = defaultdict(list)
    for path in folder.files:
        if name := class_in_file_name(path.rpartition("/")[2]):
            files[name].append(path)
    groups = [Group(name, "", folder, paths) for name, paths in files.items() if any(map(has_image_name, paths))]
    return Reading("file names", groups) if len(groups) > 1 else None


def _without_masks(folders: list[Folder]) -> tuple[list[Folder], list[Folder]]:
    """Separates images from masks and annotations, which lie beside the images they belong to."""
    masks = [folder for folder in folders if is_mask_folder(folder.name)]
    images = [folder for folder in folders if folder not in masks]
    if not images or any(class_words(folder.name) for folder in images):
        return folders, []
    return images, masks


def as_value(names: Sequence[str]) -> str:
    """The classes as `ingestion.classes` takes them on the command line; only their number where there are many."""
    if len(names) > MOST_NAMES:
        return f"ingestion.classes to the {len(names):,} names"
    return f"ingestion.classes=[{','.join(as_yaml(name) for name in names)}]"
