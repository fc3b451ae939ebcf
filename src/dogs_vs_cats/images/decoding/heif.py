"""HEIC images, as phones take them. libheif runs in a separate process, since damaged files can crash its decoder."""

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from PIL import Image

from dogs_vs_cats.images.decoding.raw_image import ImageRejected, RawImage, Wanted, check_size, one_at_a_time

_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
_WORKER = Path(__file__).with_name("heif_worker.py")
_SECONDS = 120
_CRASHED = "damaged: the HEIC decoder crashed"


def is_heif(data: bytes) -> bool:
    """Whether a file calls itself a HEIC photo, by its main brand or a compatible one (ISO/IEC 23008-12)."""
    end = min(int.from_bytes(data[:4], "big"), 256)
    return data[4:8] == b"ftyp" and any(data[at : at + 4] in _BRANDS for at in (8, *range(16, end, 4)))


def decode_heif(data: bytes, wanted: Wanted) -> RawImage:
    """Decodes a HEIC photo. libheif turns and mirrors it; the EXIF orientation only repeats that."""
    if importlib.util.find_spec("pi_heif") is None:
        raise ImageRejected(
            "a HEIC photo, for which the package pi-heif is missing: .venv/bin/python -m pip install pi-heif",
            may_pass=True,
        )
    try:
        with _worker(wanted.max_pixels) as worker:
            to_worker, from_worker = cast(IO[bytes], worker.stdin), cast(IO[bytes], worker.stdout)
            to_worker.write(len(data).to_bytes(8, "big") + data)
            to_worker.flush()
            width, height = _answer(from_worker)["size"]
            check_size(width, height, wanted)
            with one_at_a_time(width, height):
                to_worker.write(b"\n")
                to_worker.flush()
                mode = _answer(from_worker)["mode"]
                pixels = _pixels(from_worker.read(), mode, (width, height), wanted.channels)
    except BrokenPipeError:
        raise ImageRejected(_CRASHED) from None
    return RawImage(pixels, 1, 1, width, height)


@contextmanager
def _worker(max_pixels: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process for one file; it ends with the block, and after two minutes in any case."""
    command = [sys.executable, "-I", str(_WORKER), str(max_pixels)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as worker:
        timer = threading.Timer(_SECONDS, worker.kill)
        timer.start()
        try:
            yield worker
        finally:
            timer.cancel()
            worker.kill()


def _answer(from_worker: IO[bytes]) -> dict[str, Any]:
    line = from_worker.readline()
    if not line:
        raise ImageRejected(_CRASHED)
    answer = cast(dict[str, Any], json.loads(line))
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer


def _pixels(data: bytes, mode: str, size: tuple[int, int], channels: int) -> np.ndarray:
    from dogs_vs_cats.images.decoding.other_formats import to_array

    if mode == "I;16":  # grey of 10 or 12 bits, brought to 16
        grey = np.frombuffer(data, "<u2").reshape(size[::-1]) >> 8
        return to_array(Image.fromarray(grey.astype(np.uint8)), channels)
    return to_array(Image.frombuffer(mode, size, data, "raw", mode, 0, 1), channels)
