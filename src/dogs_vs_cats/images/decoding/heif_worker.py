"""Decodes one HEIC file in a process of its own, which `heif` starts with `min_side` and `max_pixels`.

It reads the file from its standard input, and writes a line of JSON with the size and the mode. The pixels follow
unless the size is outside these limits. For a file that can't be decoded, the line has the error instead.
"""

import json
import resource
import sys

import pi_heif

_SECONDS = 120
_MEMORY = 1 << 30
_MEMORY_PER_PIXEL = 16


def main() -> None:
    """Serves one file."""
    min_side, max_pixels = map(int, sys.argv[1:])
    memory = _MEMORY + _MEMORY_PER_PIXEL * max_pixels
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    pi_heif.options.DECODE_THREADS = 1  # files are decoded side by side already
    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
    pixels = b""
    try:
        image = pi_heif.open_heif(sys.stdin.buffer.read())
        width, height = image.size
        if min(width, height) >= min_side and width * height <= max_pixels:
            pixels = bytes(image.data)
        answer = {"size": image.size, "mode": image.mode}
        if image.mode == "I;16":  # grey of 10 or 12 bits, brought to 16: the upper byte of each
            answer["mode"], pixels = "L", pixels[1::2]
    except Exception as error:
        answer = {"error": str(error)}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + pixels)


if __name__ == "__main__":
    main()
