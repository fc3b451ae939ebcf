"""The tree of folders that the paths of a source make up."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from dogs_vs_cats.images.sources.names import has_image_name, natural_key

MAX_DEPTH = 64
"""Deeper files count as lying at this depth, since a hostile archive may nest thousands of folders."""


@dataclass(eq=False)
class Folder:
    """A folder with what lies in it.

    Attributes:
        path: Posix path from the source's top, which is empty itself.
        files: Paths of the files directly in it, in natural order.
        folders: Its sub-folders by name, in natural order.
    """

    path: str = ""
    files: list[str] = field(default_factory=list)
    folders: dict[str, "Folder"] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The last step of its path."""
        return self.path.rpartition("/")[2]

    @cached_property
    def own_images(self) -> int:
        """How many files directly in it are named like images."""
        return sum(map(has_image_name, self.files))

    @cached_property
    def images(self) -> int:
        """How many files here and below are named like images."""
        return self.own_images + sum(child.images for child in self.folders.values())

    def below(self) -> Iterator["Folder"]:
        """Iterates over this folder and all below it."""
        yield self
        for child in self.folders.values():
            yield from child.below()

    def paths(self) -> Iterator[str]:
        """Iterates over the paths of all files here and below."""
        for folder in self.below():
            yield from folder.files

    def at(self, path: str) -> "Folder":
        """The folder at a path below this one, created with those above it where they are missing."""
        folder = self
        for step in path.split("/")[:MAX_DEPTH] if path else ():
            if step not in folder.folders:
                folder.folders[step] = Folder(f"{folder.path}/{step}" if folder.path else step)
            folder = folder.folders[step]
        return folder


def tree_of(files: Iterable[str], folders: Iterable[str] = ()) -> Folder:
    """Builds the tree of files and folders.

    Args:
        files: Posix paths of the files, in natural order.
        folders: Posix paths of folders, which may be empty.
    """
    top = Folder()
    for path in files:
        top.at(path.rpartition("/")[0]).files.append(path)
    for path in sorted(folders, key=natural_key):
        top.at(path)
    return top
