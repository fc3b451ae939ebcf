"""The answers of an inference, safe on disk after every batch."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

Answer = tuple[str, bool | None, list[float]]
"""Why a file can't be used, or ""; whether the image is out of the distribution of the training images, None where that
isn't known; and the probability of each class. The latter two mean nothing where there is a reason."""


class Journal:
    """Answers for the files of a source, in the source's order; a file that only grows.

    A line is an answer. The constructor truncates a line that a killed process left incomplete, so that the first
    `count` files have exactly one answer each, and the others none.

    Attributes:
        path: The file.
        count: The number of answers.
    """

    def __init__(self, path: Path):
        """Opens the journal, or creates it.

        Args:
            path: Its file, named after everything that the answers depend on.
        """
        self.path = path
        self.count = end = 0
        path.touch()
        with path.open("r+b") as file:
            for line in file:
                if line.endswith(b"\n"):
                    self.count, end = self.count + 1, end + len(line)
            file.truncate(end)

    def append(self, answers: Iterable[Answer]) -> None:
        """Adds answers; when this returns, they outlive the process and the machine."""
        lines = [json.dumps(answer) + "\n" for answer in answers]
        with self.path.open("a", encoding="ascii") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        self.count += len(lines)

    def __iter__(self) -> Iterator[Answer]:
        with self.path.open("rb") as file:
            yield from map(json.loads, file)
