"""The tree of folders that the paths of a source make up."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dogs_vs_cats.sources.names import has_image_name, natural_key

MAX_DEPTH = 64
"""What lies deeper counts as lying at this depth; a hostile archive may nest thousands of folders."""


@dataclass(eq=False)
class Folder:
    """A folder with what lies in it.

    Attributes:
        path: Posix path from the source's top, which is empty itself.
        files: Paths of the files directly in it, in natural order.
        folders: Its sub-folders by name, in natural order.
        images: How many files here and below are named like images.
    """

    path: str = ""
    files: list[str] = field(default_factory=list)
    folders: dict[str, "Folder"] = field(default_factory=dict)
    images: int = 0

    @property
    def name(self) -> str:
        """The last step of its path."""
        return self.path.rpartition("/")[2]

    def below(self) -> Iterator["Folder"]:
        """Iterates over this folder and all below it."""
        waiting = [self]
        while waiting:
            folder = waiting.pop()
            yield folder
            waiting += folder.folders.values()


def tree_of(files: Iterable[str], folders: Iterable[str] = ()) -> Folder:
    """Builds the tree of files and folders.

    Args:
        files: Posix paths of the files.
        folders: Posix paths of folders, which may be empty.
    """
    top = Folder()
    for path in sorted(folders, key=natural_key):
        _folder_at(top, path.split("/")[:MAX_DEPTH])
    for path in sorted(files, key=natural_key):
        way = _folder_at(top, path.split("/")[:-1][:MAX_DEPTH])
        way[-1].files.append(path)
        if has_image_name(path):
            for folder in way:
                folder.images += 1
    return top


def _folder_at(top: Folder, steps: Sequence[str]) -> list[Folder]:
    """The folders from the top to a path, which are created where they are missing."""
    way = [top]
    for step in steps:
        here = way[-1]
        if step not in here.folders:
            here.folders[step] = Folder(f"{here.path}/{step}" if here.path else step)
        way.append(here.folders[step])
    return way
