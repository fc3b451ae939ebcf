"""The journal of a run on disk: what is to be sent to MLflow, and how far that has come."""

import hashlib
import json
import os
import secrets
import shutil
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

FOLDER = ".tracking_spool"
"""Folder in the project's root that holds a folder for every run that is going on or hasn't been sent."""

_OWNER_LOCK = "running.lock"

Operation = dict[str, Any]


@dataclass
class Progress:
    """How far the sending has come. Written by the sender, read by the run.

    Attributes:
        sent: Number of operations that the store has.
        attempted: Index of the operation that was last begun; it may have reached the store.
        run_ids: MLflow's ids of the journal's runs.
        experiment_id: MLflow's id of the experiment.
        found: Runs that were there before.
        ended: Runs that are over.
        links: Address of each approach's run; None until it was asked for.
        main_page: Address of the run that holds the others; its description links to the comparison page.
        verdict: What became of the champion.
        problem: Why the last attempt failed.
        refused: What the store refused for good, and was left out.
    """

    sent: int = 0
    attempted: int = -1
    run_ids: dict[str, str] = field(default_factory=dict)
    experiment_id: str = ""
    found: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    links: dict[str, str] | None = None
    main_page: str = ""
    verdict: str = ""
    problem: str = ""
    refused: list[str] = field(default_factory=list)


class Spool:
    """One run's journal: a line of JSON for each operation, and the files that they name."""

    def __init__(self, folder: Path):
        """Opens a journal.

        Args:
            folder: Its folder.
        """
        self.folder = folder
        self._journal = folder / "journal.jsonl"
        self._progress = folder / "progress.json"
        self._owner = FileLock(folder / _OWNER_LOCK)
        self._lock = threading.Lock()
        self._files = 0
        self._read: list[Operation] = []
        self._read_bytes = 0

    @classmethod
    def create(cls, root: Path, store: str, experiment: str) -> "Spool":
        """Starts a journal.

        Args:
            root: The project's root.
            store: URI of the store that it is meant for; credentials are not written down.
            experiment: Name of the experiment in MLflow.
        """
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}-{secrets.token_hex(4)}"
        folder = root / FOLDER / name
        (folder / "files").mkdir(parents=True)
        spool = cls(folder)
        # Unlike a process number, a lock can't be mistaken: the system frees it when the process dies.
        spool._owner.acquire()
        spool._write_header({"store": store, "experiment": experiment})
        return spool

    def redirect(self, store: str) -> None:
        """Means the journal for another store, which has nothing of it yet."""
        self._write_header({**self.header, "store": store})
        self._progress.unlink(missing_ok=True)

    def _write_header(self, header: dict[str, Any]) -> None:
        partial = self.folder / "header.partial"
        partial.write_text(json.dumps(header), encoding="utf-8")
        partial.replace(self.folder / "header.json")

    @property
    def lock_path(self) -> Path:
        """Held by the process that sends the journal."""
        return self.folder / "sending.lock"

    @property
    def header(self) -> dict[str, Any]:
        """`store` and `experiment`."""
        return json.loads((self.folder / "header.json").read_text(encoding="utf-8"))

    def append(self, operation: str, **arguments: Any) -> None:
        """Writes an operation down; safe to call from several threads."""
        line = json.dumps({"operation": operation, **arguments}) + "\n"
        # Unbuffered, as one write: the sender adds the machine's load to the same file.
        with self._lock, self._journal.open("ab", buffering=0) as journal:
            journal.write(line.encode())

    def attach(self, path: Path, name: str | None = None) -> str:
        """Keeps a file as it is now, by a link where that is possible.

        Args:
            path: A file that is only ever replaced, never changed.
            name: What to call it; None keeps its name.

        Returns:
            Its path in the journal's folder.
        """
        self._files += 1
        target = self.folder / "files" / str(self._files) / (name or path.name)
        target.parent.mkdir()
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)
        return target.relative_to(self.folder).as_posix()

    def operations(self) -> list[Operation]:
        """Reads the operations up to `close`; a line that is still being written is left out."""
        with self._lock:
            if self._journal.exists():
                with self._journal.open("rb") as journal:
                    journal.seek(self._read_bytes)
                    complete, newline, _ = journal.read().rpartition(b"\n")
                self._read += [json.loads(line) for line in complete.splitlines()]
                self._read_bytes += len(complete) + len(newline)
            ends = (i for i, operation in enumerate(self._read, 1) if operation["operation"] == "close")
            return self._read[: next(ends, None)]

    def is_over(self) -> bool:
        """Whether the journal is complete, or the process that wrote it has died."""
        operations = self.operations()
        if operations and operations[-1]["operation"] == "close":
            return True
        return not self.owner_lives()

    def owner_lives(self) -> bool:
        """Whether the process that writes the journal is still running."""
        try:
            with FileLock(self.folder / _OWNER_LOCK, timeout=0):
                return False
        except Timeout:
            return True

    def load_progress(self) -> Progress:
        """Reads how far the sending has come."""
        if not self._progress.exists():
            return Progress()
        return Progress(**json.loads(self._progress.read_text(encoding="utf-8")))

    def save_progress(self, progress: Progress) -> None:
        """Writes how far the sending has come."""
        partial = self._progress.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(progress)), encoding="utf-8")
        partial.replace(self._progress)

    def delete(self) -> None:
        """Deletes the journal and its files."""
        self._owner.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def left_over(root: Path) -> list[Spool]:
    """Journals of runs that are over, the oldest first."""
    folders = sorted((root / FOLDER).glob("*/header.json"))
    return [spool for spool in (Spool(path.parent) for path in folders) if spool.is_over()]


def md5(path: Path) -> str:
    """Hash of a file's bytes, the one that DVC writes into `dvc.lock`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _new_md5).hexdigest()


def _new_md5() -> Any:
    return hashlib.md5(usedforsecurity=False)
