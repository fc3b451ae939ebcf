"""Writing a file or a folder so that a reader sees the old content or the new, never a part.

Locks are the system's own (flock) on the folders themselves: the system frees them when a process dies, whatever its
number and its container. Where a file system has none, or they don't reach another machine, nothing is lost but room:
what a killed process has left behind stays there.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from dogs_vs_cats.errors import NO_ROOM, unwritable

PARTIAL = ".partial"
"""The end of the name of a folder in which something is being written."""


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to, and renames it to `path` when the block ends without an error.

    The content is synced to the disk before it is renamed. If the block raises or the process dies, `path` stays as it
    was. The next write into the folder removes partial files of dead processes, unless another one writes there.

    Args:
        path: The file or folder to replace or create; the folder around it is made where it is missing. An old folder
            is missing for a moment before the new one is in its place.

    Yields:
        A path of the same name, in a folder beside, that doesn't exist yet. The block makes a file or a folder of it.

    Raises:
        WriteError: The disk is full, or the folder can't be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        name = {"prefix": f".{path.name}.", "suffix": PARTIAL}
        with in_use(path.parent), TemporaryDirectory(**name, dir=path.parent, ignore_cleanup_errors=True) as folder:
            partial = Path(folder) / path.name
            yield partial
            for written in (partial, *partial.rglob("*")):
                _sync(written)
            _take_place(partial, path, Path(folder))
            _sync(path.parent)
    except OSError as error:
        if _is_about_writing(error, path):
            raise unwritable(path, error) from error
        raise


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Prevents other processes from having a folder alone while the block runs, see `alone_in`.

    Partial content that dead processes left there is removed first, if no other process uses the folder.
    """
    with alone_in(folder) as alone:
        for abandoned in folder.glob(f".*{PARTIAL}") if alone else ():
            shutil.rmtree(abandoned, ignore_errors=True)
    with _locked(folder, fcntl.LOCK_SH):
        yield


def alone_in(folder: Path) -> AbstractContextManager[bool | None]:
    """Tries to lock a folder exclusively, so that its content may be removed; doesn't wait.

    Returns:
        A context manager that tells whether it worked; None where the file system has no locks. While the block has the
        folder alone, others who want to use it wait.
    """
    return _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[bool | None]:
    with _opened(folder) as descriptor:
        locked: bool | None = True
        try:
            fcntl.flock(descriptor, kind)
        except BlockingIOError:
            locked = False
        except OSError:
            locked = None
        yield locked


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take_place(partial: Path, path: Path, aside: Path) -> None:
    """Renames what was written; an old folder, which can't be replaced in one step, is moved aside first."""
    while True:
        try:
            partial.replace(path)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            with suppress(FileNotFoundError):
                path.rename(Path(mkdtemp(dir=aside)) / path.name)


def _is_about_writing(error: OSError, path: Path) -> bool:
    """Whether an error of the block is one of writing `path`, not of reading what goes into it."""
    if error.errno in NO_ROOM:
        return True
    if error.filename is None:  # of a write to an open file; NumPy's has no number
        return type(error) is OSError
    name = str(error.filename)
    return name in map(str, (path, *path.parents)) or name.startswith(str(path.with_name(f".{path.name}.")))


def _sync(path: Path) -> None:
    with _opened(path) as descriptor:
        os.fsync(descriptor)
