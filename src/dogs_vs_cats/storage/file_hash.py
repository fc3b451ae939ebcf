"""The hash of a file, as DVC writes it into `dvc.lock`."""

import hashlib
from functools import cache
from pathlib import Path


def md5(path: Path) -> str:
    """MD5 of a file's bytes, 32 hexadecimal digits; read once for each version of the file, which takes 2 s a GB."""
    status = path.stat()
    return _md5(path, status.st_ino, status.st_mtime_ns, status.st_size)


@cache
def _md5(path: Path, *version: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
