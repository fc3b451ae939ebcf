"""The code of a run: its commit, the files that differ from the commit, and the lock of its packages."""

import subprocess
from pathlib import Path
from typing import TypedDict

from dogs_vs_cats.project import ROOT
from dogs_vs_cats.storage.file_hash import md5

LOCK = "requirements.lock"


class Code(TypedDict):
    """The code of a run.

    Attributes:
        commit: Full hash; empty without git, a repository or a commit.
        dirty_files: See `dirty_files`.
        requirements_lock: MD5 of the lock of its packages, as in `dvc.lock`; empty without the file.
    """

    commit: str
    dirty_files: list[str]
    requirements_lock: str


def describe_code(root: Path = ROOT) -> Code:
    """Describes the code in a project's root."""
    lock = root / LOCK
    return {
        "commit": git("rev-parse", "HEAD", root=root),
        "dirty_files": dirty_files(root),
        "requirements_lock": md5(lock) if lock.is_file() else "",
    }


def dirty_files(root: Path = ROOT) -> list[str]:
    """Files that differ from the commit: all changed ones, and new ones among code and configuration.

    `dvc.lock` isn't among them: DVC writes it after each stage, which changes nothing for the next one.
    """
    changed = ("diff", "--name-only", "-z", "--no-renames", "--relative", "HEAD", "--", ".", ":(exclude)dvc.lock")
    return [*filter(None, git(*changed, root=root).split("\0")), *new_files(root=root)]


def new_files(*options: str, root: Path = ROOT) -> list[str]:
    """Files of code and configuration that git doesn't know, without those that it ignores.

    Args:
        *options: Further ones of `git ls-files`.
        root: The project's root, to which the paths are relative.
    """
    found = git("ls-files", "--others", "--exclude-standard", *options, "-z", "--", "src", "conf", root=root)
    return [path for path in found.split("\0") if path]


def git(*arguments: str, root: Path = ROOT) -> str:
    """Output of a git command without its last line end; empty without git, a repository or a commit.

    Bytes that aren't UTF-8, which names of files may have, are escaped.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.removesuffix("\n")
