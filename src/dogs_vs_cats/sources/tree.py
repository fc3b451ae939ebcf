"""The tree of folders that the paths of a source make up."""

from collections.abc import Iterable, Iterator
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
        files: Posix paths of the files, in natural order.
        folders: Posix paths of folders, which may be empty.
    """
    top = Folder()
    ways: dict[str, list[Folder]] = {"": [top]}
    for path in files:
        parent = path.rpartition("/")[0]
        way = _way_to(parent, ways)
        way[-1].files.append(path)
        if has_image_name(path):
            for folder in way:
                folder.images += 1
    for path in sorted(folders, key=natural_key):
        _way_to(path, ways)
    return top


def _way_to(path: str, ways: dict[str, list[Folder]]) -> list[Folder]:
    """The folders from the top to a path, created where they are missing; `ways` holds those of earlier calls."""
    if path not in ways:
        way = list(ways[""])
        for step in path.split("/")[:MAX_DEPTH]:
            here = way[-1]
            if step not in here.folders:
                here.folders[step] = Folder(f"{here.path}/{step}" if here.path else step)
            way.append(here.folders[step])
        ways[path] = way
    return ways[path]
