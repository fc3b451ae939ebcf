"""Downloads of archives that resume where they broke off and only appear under their name when complete."""

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


class _TransferError(Exception):
    """A transfer that may succeed when it is tried again."""


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
    if target.is_file():
        if sha256 is None:
            logger.info("Using %s, downloaded before; delete it to download it again.", target)
            return target
        try:
            check_sha256(target, sha256)
        except SourceError:
            logger.warning("%s doesn't have the expected SHA-256: downloading it again.", target)
        else:
            return target
    part = target.with_name(target.name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(part, shown) as file:
            _transfer(url, file, part, trusted=sha256 is not None)
            _check(file, part, sha256, shown)
            os.fsync(file.fileno())
            part.replace(target)
            _notes(part).unlink(missing_ok=True)
    except OSError as error:
        raise SourceError(
            f"The download of {shown} can't be stored in {folder}: {error.strerror or error}. "
            "Free space or correct the permissions, then run again: it goes on where it stopped."
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
            if os.fstat(file.fileno()).st_size == 0:
                _discard(part)


def _transfer(url: str, file: BufferedRandom, part: Path, *, trusted: bool) -> None:
    """Fills the partial file up, with as many requests as it takes."""
    shown = shown_url(url)
    failures = 0
    while True:
        before = os.fstat(file.fileno()).st_size
        try:
            _request(url, file, part, trusted=trusted)
            return
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            problem = _cause(error)
        except _TransferError as error:
            problem = str(error)
        except (requests.RequestException, ValueError) as error:
            raise SourceError(f"{shown} can't be downloaded: {_cause(error)}. Check the address.") from None
        after = os.fstat(file.fileno()).st_size
        failures = 0 if after > before else failures + 1
        if failures >= ATTEMPTS:
            kept = f" {after:,} bytes are kept, and the next run goes on from there." if after else ""
            raise SourceError(
                f"{shown} can't be reached or broke off {ATTEMPTS} times: {problem}. Check the address and the "
                f"network, or download the file by other means and set the source to its path.{kept}"
            )
        if failures:
            time.sleep(RETRY_PAUSE_SECONDS * 2 ** (failures - 1))
        logger.info("The download of %s broke off (%s); trying again.", shown, problem)


def _request(url: str, file: BufferedRandom, part: Path, *, trusted: bool) -> None:
    """One request for what is missing.

    Raises:
        _TransferError: Less came than was promised.
        SourceError: The answer can't be what is wanted.
        requests.RequestException: The request failed.
    """
    have = os.fstat(file.fileno()).st_size
    validator = _read_notes(part)
    if have and not (validator or trusted):
        # Nothing says that the server still has the same file.
        have = _restart(file)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable and have:
            if _total(answer) != have:
                _restart(file)
                raise _TransferError("the file at the server has changed")
            return
        _refuse_failure(answer, url)
        if answer.status_code == requests.codes.partial_content:
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                _restart(file)
                raise _TransferError("the server sent another range than was asked for")
            total = _total(answer)
        else:
            have = _restart(file)
            length = answer.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
        _write_notes(part, answer)
        if total is not None and shutil.disk_usage(part.parent).free < total - have:
            raise SourceError(
                f"Downloading {shown_url(url)} needs {total - have:,} bytes; {part.parent} has fewer left."
            )
        with progress(f"Downloading {shown_url(url)}", total, "bytes") as advance:
            advance(have)
            for chunk in answer.iter_content(_CHUNK):
                if have == 0 and not chunk.startswith(_ZIP_MAGIC):
                    raise _not_a_zip(url, answer)
                file.write(chunk)
                file.flush()
                have += len(chunk)
                advance(len(chunk))
    if have == 0:
        raise _TransferError("the answer was empty")
    if total is not None and have != total:
        if have > total:
            _restart(file)
        raise _TransferError(f"{have:,} of {total:,} bytes came")


def _refuse_failure(answer: requests.Response, url: str) -> None:
    shown, status = shown_url(url), answer.status_code
    if status in (requests.codes.ok, requests.codes.partial_content):
        return
    if status >= 500 or status in (
        requests.codes.request_timeout,
        requests.codes.too_many_requests,
    ):
        raise _TransferError(f"the server answered {status} {answer.reason}")
    if status in (requests.codes.unauthorized, requests.codes.forbidden):
        advice = "It asks for a login: download the file in a browser and set the source to its path."
    else:
        advice = "Check the address."
    raise SourceError(f"{shown} can't be downloaded: the server answered {status} {answer.reason}. {advice}")


def _not_a_zip(url: str, answer: requests.Response) -> SourceError:
    kind = answer.headers.get("Content-Type", "").partition(";")[0] or "something else"
    page = " A web page often means a login: download the file in a browser." if kind == "text/html" else ""
    return SourceError(
        f"{shown_url(url)} isn't a zip file but {kind}; the source has to be the address of a zip.{page}"
    )


def _check(file: BufferedRandom, part: Path, sha256: str | None, shown: str) -> None:
    """Removes a complete file that isn't the expected one, so that the next run doesn't build on it."""
    if sha256 is not None:
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256.lower():
            _discard(part)
            raise SourceError(
                f"The file at {shown} isn't the expected one: its SHA-256 is {found}, ingestion.sha256 is "
                f"{sha256.lower()}. Nothing was kept. Correct ingestion.sha256 (null doesn't check) or the address."
            )
    if not zipfile.is_zipfile(file):
        _discard(part)
        raise SourceError(f"The file at {shown} is a damaged zip file, or cut short. Nothing was kept; run again.")


def _restart(file: BufferedRandom) -> int:
    file.truncate(0)
    return 0


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _total(answer: requests.Response) -> int | None:
    """Size of the whole file from a `Content-Range` header (`bytes 5-9/10`, `bytes */10`)."""
    match = re.fullmatch(r"bytes (?:\d+-\d+|\*)/(\d+)", answer.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _write_notes(part: Path, answer: requests.Response) -> None:
    """Keeps what identifies the file at the server; a weak ETag may stand for different bytes."""
    tag = answer.headers.get("ETag", "")
    validator = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
    _notes(part).write_text(json.dumps({"validator": validator}))


def _read_notes(part: Path) -> str:
    try:
        validator = json.loads(_notes(part).read_text())["validator"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return validator if isinstance(validator, str) else ""


def _cause(error: Exception) -> str:
    """The innermost reason, without addresses: connection errors carry the whole URL, query included."""
    root: BaseException = error
    while (inner := root.__cause__ or root.__context__) is not None:
        root = inner
    if isinstance(root, OSError) and root.strerror:
        return root.strerror
    return type(root).__name__
