"""What an inference has found out so far, safe on disk after every batch."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict


class Prediction(TypedDict):
    """What a model says of a picture.

    Attributes:
        probabilities: As the model returns them: P(class 1) for two classes, one of each class for more.
        out_of_distribution: Whether it is unlike all that the model was trained on; None where that isn't known.
    """

    probabilities: list[float]
    out_of_distribution: bool | None


Answer = Prediction | str
"""What a model says of a file, or why it could not be classified."""

_CHUNK = 1 << 20


class Journal:
    """Answers for the files of a source, in the source's order; a file that only grows.

    A line is an answer. What a killed process has written of a line is cut off when the journal is opened, so that
    every file before the end has exactly one answer, and every file after it none.

    Attributes:
        count: How many answers there are.
    """

    def __init__(self, path: Path):
        """Opens the journal, or makes it.

        Args:
            path: Its file, named after all that the answers depend on.
        """
        self._path = path
        path.touch()
        self.count = self._mend()

    def append(self, answers: Sequence[Answer]) -> None:
        """Adds answers; when this returns, they outlive the process and the machine.

        Args:
            answers: Those of the next files.
        """
        lines = "".join(json.dumps(answer, ensure_ascii=True) + "\n" for answer in answers)
        with self._path.open("ab") as file:
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
        self.count += len(answers)

    def __iter__(self) -> Iterator[Answer]:
        with self._path.open("rb") as file:
            for line in file:
                yield json.loads(line)

    def delete(self) -> None:
        """Forgets everything."""
        self._path.unlink(missing_ok=True)

    def _mend(self) -> int:
        complete = position = count = 0
        with self._path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                count += chunk.count(b"\n")
                if (last := chunk.rfind(b"\n")) >= 0:
                    complete = position + last + 1
                position += len(chunk)
        os.truncate(self._path, complete)
        return count
