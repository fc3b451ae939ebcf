"""The outbox of a run: its records and the files that they name, on disk until MLflow has them."""

import json
import os
import secrets
import shutil
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.storage.atomic import in_use

FOLDER = ".tracking_outbox"
"""Folder in the project's root with one outbox for each run that is in progress or hasn't been sent."""

Record = dict[str, Any]


@dataclass
class Report:
    """The progress of a worker, and the answers of the store.

    Attributes:
        sent: Number of records that the store has; the first one as soon as it has answered.
        links: Address of each approach's run.
        page: Address of the run that holds the others.
        verdict: The decision about the champion.
        problem: Why the last attempt failed.
        refused: Reasons why the store refused records for good.
    """

    sent: int = 0
    links: dict[str, str] = field(default_factory=dict)
    page: str = ""
    verdict: str = ""
    problem: str = ""
    refused: list[str] = field(default_factory=list)


class Outbox:
    """The records of one run, as lines of JSON, and the files that they name."""

    def __init__(self, folder: Path):
        """Opens an outbox.

        Args:
            folder: Its folder.
        """
        self.folder = folder
        self._appended = 0
        self._records = folder / "records.jsonl"
        self._report = folder / "report.json"
        self._lock = threading.Lock()
        self._attached: dict[tuple[int, int, int], str] = {}
        self._position = 0
        self._held = ExitStack()

    @classmethod
    def create(cls, root: Path) -> "Outbox":
        """Creates an outbox and holds it.

        Args:
            root: The project's root.
        """
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}-{secrets.token_hex(4)}"
        outbox = cls(root / FOLDER / name)
        outbox.folder.mkdir(parents=True)
        outbox.hold()
        return outbox

    def hold(self) -> None:
        """Prevents other processes from sending and deleting the outbox while this one is running."""
        self._held.enter_context(in_use(self.folder))

    def append(self, kind: str, **values: Any) -> int:
        """Appends a record; safe to call from several threads.

        Args:
            kind: The kind of record, see `writer`.
            values: Values for JSON, from which credentials in addresses are removed.

        Returns:
            The number of records so far.
        """
        line = json.dumps({"kind": kind, "time": int(time.time() * 1000), **values})
        with self._lock:
            with self._records.open("ab") as file:
                # The line end before it ends a record that a full disk has cut off.
                file.write(f"\n{without_credentials(line)}\n".encode())
            self._appended += 1
            return self._appended

    def attach(self, path: Path, stem: str) -> str:
        """Stores the present version of a file, as a hard link if the file system supports it.

        Args:
            path: A file that is only ever replaced, never changed.
            stem: The name in the outbox, without the suffix.

        Returns:
            The path in the outbox, the same one until the file is replaced.
        """
        status = path.stat()
        version = status.st_dev, status.st_ino, status.st_mtime_ns
        if version not in self._attached:
            target = self.folder / "files" / str(len(self._attached)) / f"{stem}{path.suffix}"
            target.parent.mkdir(parents=True)
            try:
                os.link(path, target)
            except OSError:
                shutil.copyfile(path, target)
            self._attached[version] = target.relative_to(self.folder).as_posix()
        return self._attached[version]

    def read(self) -> list[Record]:
        """Reads the records since the last call, without those that are cut off or still being written."""
        with self._records.open("rb") as file:
            file.seek(self._position)
            complete, newline, _ = file.read().rpartition(b"\n")
        self._position += len(complete + newline)
        return [record for line in complete.splitlines() for record in _parsed(line)]

    @property
    def store(self) -> str:
        """The store that the run was meant for, without credentials; empty if the disk was full before it was known."""
        records = Outbox(self.folder).read()
        return str(records[0]["store"]) if records else ""

    @property
    def report(self) -> Report:
        """The worker's last report."""
        return Report(**json.loads(self._report.read_text(encoding="utf-8"))) if self._report.exists() else Report()

    @report.setter
    def report(self, report: Report) -> None:
        partial = self._report.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(report)), encoding="utf-8")
        partial.replace(self._report)

    def delete(self) -> None:
        """Deletes the outbox."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._held.close()


def outboxes(root: Path) -> list[Outbox]:
    """All outboxes of a project that have records, the oldest first, also those in use."""
    found = [Outbox(path.parent) for path in sorted((root / FOLDER).glob("*/records.jsonl"))]
    return [outbox for outbox in found if outbox.store]


def _parsed(line: bytes) -> list[Record]:
    try:
        return [json.loads(line)]
    except ValueError:
        return []
