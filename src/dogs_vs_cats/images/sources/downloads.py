"""Downloads of archives, which resume after a broken connection and get their name only when they are complete."""

import hashlib
import logging
import os
import re
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import requests

from dogs_vs_cats.errors import SourceError, reason
from dogs_vs_cats.images.sources.archive import check_sha256
from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.progress import progress
from dogs_vs_cats.storage.atomic import alone_in

logger = logging.getLogger(__name__)

ATTEMPTS = 5
"""How often in a row a transfer may fail without a single new byte."""

ATTEMPTS_TO_REACH = 2
"""The same while the server has never been reached: more likely, the address or the network is wrong."""

RETRY_PAUSE_SECONDS = 1.0
"""Pause before the second attempt; it doubles each time."""

TIMEOUT_SECONDS = (10.0, 60.0)
"""How long to wait for a connection, and for the next bytes."""

_CHUNK = 16 * 1024  # what a broken connection loses: the chunk it was in
_TRANSIENT = {408, 416, 429, 500, 502, 503, 504}


def download(url: str, sha256: str | None, folder: Path) -> Path:
    """Fetches a zip file, unless it is there already.

    A partial file (`.part`) stays when the connection breaks or the process is killed, and the next call resumes there
    if the server supports ranges and still has the same file; else it starts again. The file takes its name only when
    it is complete and has the expected checksum.

    Args:
        url: `http://` or `https://`; a user name, a password and a query in it are sent but never shown.
        sha256: Expected checksum as 64 hex digits, or None. A file that is there already is checked, too, and fetched
            again if it differs.
        folder: Where the file goes. One process at a time downloads to it.

    Returns:
        The downloaded file, named after the URL's last part and a hash of the whole URL.

    Raises:
        SourceError: The address isn't allowed or can't be reached, the answer isn't a zip file or has the wrong
            checksum, the disk is full, or another process is downloading.
    """
    shown = re.split("[?#]", without_credentials(url))[0]
    if not url.lower().startswith(("http://", "https://")):
        raise SourceError(
            f"{shown} can't be downloaded: addresses begin with http://, https://, s3://, gs:// or az://."
        )
    return stored(shown, url, sha256, folder, lambda part: _transfer(url, part, shown))


def stored(shown: str, version: str, sha256: str | None, folder: Path, transfer: Callable[[Path], None]) -> Path:
    """Stores a zip file from elsewhere, unless it is there already; see `download`.

    Args:
        shown: Its address in messages, without secrets.
        version: Text that differs between different files.
        sha256: Expected checksum as 64 hex digits, or None.
        folder: Where the file goes.
        transfer: Completes the partial file of a given path, or raises a `SourceError`.

    Returns:
        The file, named after the address's last part and a hash of the version.
    """
    stem = re.sub(r"[^\w.-]+", "_", unquote(shown).rpartition("/")[2].removesuffix(".zip")).strip("._-")[:60]
    target = folder / f"{stem or 'archive'}-{hashlib.sha256(version.encode()).hexdigest()[:12]}.zip"
    if target.is_file():
        with suppress(SourceError):
            check_sha256(target, sha256)
            logger.info("Using %s, downloaded before; delete it to download it again.", target)
            return target
    part = target.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder) as alone:
            if alone is False:
                raise SourceError(f"Another process is downloading to {folder} right now: wait for it, then run again.")
            transfer(part)
            _check(part, sha256, shown)
            part.replace(target)
            _version_file(part).unlink(missing_ok=True)
    except OSError as error:
        raise SourceError(
            f"The download of {shown} can't be stored in {folder}: {reason(error)}. "
            "Free space or correct the permissions, then run again: the download resumes where it stopped."
        ) from error
    return target


def _transfer(url: str, part: Path, shown: str) -> None:
    """Completes the partial file, with as many requests as necessary."""
    failures, size = 0, _size(part)
    while True:
        try:
            _request(url, part, shown)
            return
        except (requests.RequestException, ValueError) as error:  # ValueError: some malformed addresses
            before, size = size, _size(part)
            failures = 0 if size > before else failures + 1
            problem = _cause(error)
            unreached = isinstance(error, requests.ConnectionError) and not size
            if failures == (ATTEMPTS_TO_REACH if unreached else ATTEMPTS) or not _is_transient(error):
                stored = f" {size:,} bytes are stored, and the next run resumes there." if size else ""
                raise SourceError(
                    f"{shown} can't be downloaded: {problem}. Check the address and the internet connection, or "
                    "download the file by other means, for instance in a browser, and set the source to its path."
                    f"{stored}"
                ) from None
        logger.info("The download of %s broke off (%s); trying again.", shown, problem)
        time.sleep(RETRY_PAUSE_SECONDS * (2**failures - 1))


def _request(url: str, part: Path, shown: str) -> None:
    """Requests the missing bytes once.

    Without a version of the server's file, nothing says that the partial file belongs to it, and all bytes are missing.

    Raises:
        requests.RequestException: The request failed, or fewer bytes came than the server promised.
    """
    version_file = _version_file(part)
    version = version_file.read_text() if version_file.is_file() else ""
    have = _size(part) if version else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
        # Size of the whole file: `bytes 5-9/10`, `bytes */10`, or a length.
        total = answer.headers.get("Content-Range", "").rpartition("/")[2] or answer.headers.get("Content-Length", "")
        if answer.status_code == 416 and total == str(have):
            return
        if answer.status_code == 416:  # the file at the server has changed
            version_file.unlink(missing_ok=True)
        if not answer.ok:
            raise requests.HTTPError(f"the server answered {answer.status_code} {answer.reason}", response=answer)
        # A weak ETag may stand for different bytes.
        tag = answer.headers.get("ETag", "W/")
        version_file.write_text(answer.headers.get("Last-Modified", "") if tag.startswith("W/") else tag)
        resumed = answer.status_code == 206
        with (
            part.open("ab" if resumed else "wb") as file,
            progress(f"Downloading {shown}", int(total) if total.isdecimal() else None, "bytes") as advance,
        ):
            advance(have if resumed else 0)
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                file.flush()
                advance(len(chunk))
            os.fsync(file.fileno())


def _check(part: Path, sha256: str | None, shown: str) -> None:
    """Removes a complete file that isn't the expected one, so that the next run doesn't build on it."""
    try:
        check_sha256(part, sha256, shown)
        if not zipfile.is_zipfile(part):
            raise SourceError(
                f"{shown} is no zip file, or is cut short; it was removed. Where the server wants a login, it sends a "
                "web page: download the file in a browser and set the source to its path."
            )
    except SourceError:
        part.unlink()
        _version_file(part).unlink(missing_ok=True)
        raise


def _version_file(part: Path) -> Path:
    """Holds the server's name for the version of the file that the partial file belongs to."""
    return part.with_suffix(".version")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _is_transient(error: Exception) -> bool:
    broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    status = getattr(getattr(error, "response", None), "status_code", None)
    return isinstance(error, broken) or status in _TRANSIENT


def _cause(error: BaseException) -> str:
    """The innermost reason, without addresses: connection errors carry the whole URL, query included."""
    if isinstance(error, requests.HTTPError):
        return str(error)
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__
