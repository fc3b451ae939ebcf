"""Folders of finished work, each found by a key that stands for all it was made from."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


class ContentStore:
    """Keeps folders of files under keys; a folder is there as a whole or not at all.

    Nothing in it is ever changed, so that others may link to its files. Deleting it costs time and nothing else.
    """

    def __init__(self, folder: Path):
        """Opens the store and removes what killed processes left behind.

        Args:
            folder: Its folder, made where it is missing.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        for partial in folder.glob(".*.partial"):
            process = partial.name.split(".")[2]
            if not process.isdigit() or not psutil.pid_exists(int(process)):
                shutil.rmtree(partial, ignore_errors=True)

    def find(self, key: str) -> Path | None:
        """Returns the folder kept under `key`, or None."""
        folder = self._folder / key
        return folder if folder.is_dir() else None

    @contextmanager
    def create(self, key: str) -> Iterator[Path]:
        """Gives an empty folder to fill, which is kept under `key` when the block ends well.

        Its files are synced to the disk before the folder gets its name. What was kept under `key` before is replaced.

        Args:
            key: A file name that stands for everything the content depends on.

        Yields:
            The folder to write files into.
        """
        partial = Path(tempfile.mkdtemp(prefix=f".{key}.{os.getpid()}.", suffix=".partial", dir=self._folder))
        try:
            yield partial
            for path in (*partial.iterdir(), partial):
                _sync(path)
            target = self._folder / key
            if target.is_dir():
                # A folder can't take the place of another in one step. In between the key is missing, not half there.
                outdated = Path(tempfile.mkdtemp(prefix=f".{key}.{os.getpid()}.", suffix=".partial", dir=self._folder))
                target.rename(outdated / key)
                partial.rename(target)
                shutil.rmtree(outdated, ignore_errors=True)
            else:
                partial.rename(target)
            _sync(self._folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
