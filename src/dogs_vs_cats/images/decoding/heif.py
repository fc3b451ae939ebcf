"""HEIC images, as phones take them. libheif runs in a separate process, since damaged files can crash its decoder."""

import json
import re
import struct
import subprocess
import sys
from pathlib import Path

from PIL import Image

from dogs_vs_cats.images.decoding.other_formats import to_array
from dogs_vs_cats.images.decoding.raw_image import ImageRejected, RawImage, Wanted, one_at_a_time

_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
_WORKER = Path(__file__).with_name("heif_worker.py")
_SIZE_BOX = re.compile(rb"ispe\0{4}(.{8})", re.DOTALL)


def is_heif(data: bytes) -> bool:
    """Whether a file calls itself a HEIC photo, by its main brand or a compatible one (ISO/IEC 23008-12)."""
    end = min(int.from_bytes(data[:4], "big"), 256)
    return data[4:8] == b"ftyp" and any(data[at : at + 4] in _BRANDS for at in (8, *range(16, end, 4)))


def decode_heif(data: bytes, wanted: Wanted) -> RawImage:
    """Decodes a HEIC photo. libheif turns and mirrors it; the EXIF orientation only repeats that."""
    # The file holds several sizes: of the image, its tiles and its thumbnail.
    sizes = [struct.unpack(">II", size) for size in _SIZE_BOX.findall(data)]
    command = [sys.executable, "-I", str(_WORKER), str(wanted.min_side), str(wanted.max_pixels)]
    with one_at_a_time(*max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))):
        worker = subprocess.run(command, input=data, capture_output=True, check=False)
    line, _, pixels = worker.stdout.partition(b"\n")
    if not line:
        raise ImageRejected("damaged: the HEIC decoder crashed")
    answer = json.loads(line)
    if "error" in answer:
        raise ValueError(answer["error"])
    width, height = answer["size"]
    wanted.check_size(width, height)
    image = Image.frombuffer(answer["mode"], (width, height), pixels, "raw", answer["mode"], 0, 1)
    return RawImage(to_array(image, wanted.channels), 1, 1, width, height)
