"""Downloads of archives, which resume after a broken connection and get their name only when they are complete."""

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources.archive import check_sha256
from dogs_vs_cats.progress import progress

logger = logging.getLogger(__name__)

ATTEMPTS = 5
"""How often in a row a transfer may fail without a single new byte."""

RETRY_PAUSE_SECONDS = 1.0
"""Pause before the second attempt; it doubles each time."""

TIMEOUT_SECONDS = (10.0, 60.0)
"""How long to wait for a connection, and for the next bytes."""

_CHUNK = 16 * 1024  # what a broken connection loses: the chunk it was in
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_TRANSIENT = {408, 429, 500, 502, 503, 504}


def download(url: str, sha256: str | None, folder: Path) -> Path:
    """Fetches a zip file, unless it is there already.

    A partial file (`.part`) stays when the connection breaks or the process is killed, and the next call goes on from
    there if the server supports ranges and the file there is still the same; else it starts again. The file takes its
    name only when it is complete and has the expected checksum.

    Args:
        url: `http://` or `https://`; a user name, a password and a query in it are sent but never shown.
        sha256: Expected checksum as 64 hex digits, or None. A file that is there already is checked, too, and fetched
            again if it differs.
        folder: Where the file goes.

    Returns:
        The downloaded file, named after the URL's last part and a hash of the whole URL.

    Raises:
        SourceError: The address isn't allowed or can't be reached, the answer isn't a zip file or has the wrong
            checksum, the disk is full, or another process is downloading the same file.
    """
    shown = shown_url(url)
    if not shown.startswith(("http://", "https://")):
        raise SourceError(f"{shown} can't be downloaded: only http:// and https:// addresses are allowed.")
    target = folder / _file_name(url)
    if target.is_file() and _is_current(target, sha256):
        return target
    part = target.with_name(target.name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(part, shown) as file:
            _transfer(url, file, part, trusted=sha256 is not None)
            _check(part, sha256, shown)
            os.fsync(file.fileno())
            part.replace(target)
            _notes(part).unlink(missing_ok=True)
    except OSError as error:
        raise SourceError(
            f"The download of {shown} can't be stored in {folder}: {error.strerror or error}. "
            "Free space or correct the permissions, then run again: the download resumes where it stopped."
        ) from error
    return target


def shown_url(url: str) -> str:
    """A URL without user name, password, query and fragment, which may hold secrets."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "The given address"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _file_name(url: str) -> str:
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    stem = re.sub(r"[^\w.-]+", "_", last.removesuffix(".zip")).strip("._-")[:60] or "archive"
    return f"{stem}-{hashlib.sha256(url.encode()).hexdigest()[:12]}.zip"


def _is_current(target: Path, sha256: str | None) -> bool:
    """Whether an earlier download can be used."""
    if sha256 is None:
        logger.info("Using %s, downloaded before; delete it to download it again.", target)
        return True
    try:
        check_sha256(target, sha256)
    except SourceError:
        logger.warning("%s doesn't have the expected SHA-256: downloading it again.", target)
        return False
    return True


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


@contextmanager
def _locked(part: Path, shown: str) -> Iterator[BufferedRandom]:
    """Opens the partial file for reading and appending, for this process alone; removes it if it stays empty."""
    with part.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have finished between opening and locking: this is its complete file then.
            ours = part.exists() and os.path.samestat(part.stat(), os.fstat(file.fileno()))
        except BlockingIOError:
            ours = False
        if not ours:
            raise SourceError(f"Another process is downloading {shown} right now: wait for it, then run again.")
        try:
            yield file
        finally:
            if _size(file) == 0:
                _discard(part)


def _transfer(url: str, file: BufferedRandom, part: Path, *, trusted: bool) -> None:
    """Completes the partial file, with as many requests as necessary."""
    shown = shown_url(url)
    failures, problem = 0, ""
    while failures < ATTEMPTS:
        before = _size(file)
        try:
            _request(url, file, part, trusted=trusted)
            return
        except requests.HTTPError as error:
            problem = f"the server answered {error}"
            if (status := getattr(error.response, "status_code", 0)) not in _TRANSIENT:
                login = "It asks for a login: download the file in a browser and set the source to its path."
                advice = login if status in (401, 403) else "Check the address."
                raise SourceError(f"{shown} can't be downloaded: {problem}. {advice}") from None
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            problem = _cause(error)
        except (requests.RequestException, ValueError) as error:
            raise SourceError(f"{shown} can't be downloaded: {_cause(error)}. Check the address.") from None
        failures = 0 if _size(file) > before else failures + 1
        if failures < ATTEMPTS:
            logger.info("The download of %s broke off (%s); trying again.", shown, problem)
            time.sleep(RETRY_PAUSE_SECONDS * (2**failures - 1))
    stored = f" {_size(file):,} bytes are stored, and the next run resumes there." if _size(file) else ""
    raise SourceError(
        f"{shown} can't be reached or broke off {ATTEMPTS} times: {problem}. Check the address and the network, or "
        f"download the file by other means and set the source to its path.{stored}"
    )


def _request(url: str, file: BufferedRandom, part: Path, *, trusted: bool) -> None:
    """Requests the missing bytes once.

    Raises:
        SourceError: The answer isn't a zip file, or the disk hasn't enough room for it.
        requests.RequestException: The request failed, or fewer bytes came than the server promised.
    """
    validator = _validator(part)
    if not (validator or trusted):  # nothing says that the server still has the same file
        file.truncate(0)
    have = _size(file)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": validator} if validator else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
        if answer.status_code == 416 and have:
            if _total(answer) != have:  # the file at the server has changed
                file.truncate(0)
                _request(url, file, part, trusted=trusted)
            return
        if not answer.ok:
            raise requests.HTTPError(f"{answer.status_code} {answer.reason}", response=answer)
        if answer.status_code != 206:
            file.truncate(0)
            have = 0
        _notes(part).write_text(json.dumps({"validator": _version(answer)}))
        total = _total(answer)
        if total is not None and shutil.disk_usage(part.parent).free < total - have:
            raise SourceError(
                f"Downloading {shown_url(url)} needs {total - have:,} bytes; {part.parent} has fewer left."
            )
        with progress(f"Downloading {shown_url(url)}", total, "bytes") as advance:
            advance(have)
            for chunk in answer.iter_content(_CHUNK):
                if _size(file) == 0 and not chunk.startswith(_ZIP_MAGIC):
                    raise _not_a_zip(url, answer)
                file.write(chunk)
                file.flush()
                advance(len(chunk))


def _not_a_zip(url: str, answer: requests.Response) -> SourceError:
    kind = answer.headers.get("Content-Type", "").partition(";")[0] or "something else"
    page = " A web page often means a login: download the file in a browser." if kind == "text/html" else ""
    return SourceError(
        f"{shown_url(url)} isn't a zip file but {kind}; the source has to be the address of a zip.{page}"
    )


def _check(part: Path, sha256: str | None, shown: str) -> None:
    """Removes a complete file that isn't the expected one, so that the next run doesn't build on it."""
    try:
        if sha256 is not None:
            check_sha256(part, sha256, shown)
        if not zipfile.is_zipfile(part):
            raise SourceError(f"The file at {shown} is a damaged zip file, or cut short. It was removed; run again.")
    except SourceError:
        _discard(part)
        raise


def _size(file: BufferedRandom) -> int:
    return os.fstat(file.fileno()).st_size


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _total(answer: requests.Response) -> int | None:
    """Size of the whole file, from `Content-Range` (`bytes 5-9/10`, `bytes */10`) or `Content-Length`."""
    headers = answer.headers
    size = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    return int(size) if size.isdecimal() else None


def _version(answer: requests.Response) -> str:
    """Identifies the file at the server; a weak ETag may stand for different bytes."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _validator(part: Path) -> str:
    try:
        return str(json.loads(_notes(part).read_text())["validator"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _cause(error: Exception) -> str:
    """The innermost reason, without addresses: connection errors carry the whole URL, query included."""
    root: BaseException = error
    while (inner := root.__cause__ or root.__context__) is not None:
        root = inner
    if isinstance(root, OSError) and root.strerror:
        return root.strerror
    return type(root).__name__
