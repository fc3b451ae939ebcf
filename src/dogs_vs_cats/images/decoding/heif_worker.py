"""Decodes one HEIC file in a process of its own; `heif` starts it with the limit of pixels.

It reads the file's length (8 bytes) and the file, writes a line of JSON with the size and the mode, waits for one byte,
and writes the pixels. A file that can't be decoded gives a line with the error.
"""

import json
import resource
import sys

import pi_heif

_MEMORY = 1 << 30
_MEMORY_PER_PIXEL = 16


def main() -> None:
    """Serves one file."""
    limit = _MEMORY + _MEMORY_PER_PIXEL * int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    pi_heif.options.DECODE_THREADS = 1  # files are decoded side by side already
    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
    data = sys.stdin.buffer.read(int.from_bytes(sys.stdin.buffer.read(8), "big"))
    try:
        image = pi_heif.open_heif(data)
        answer({"size": image.size, "mode": image.mode})
        if sys.stdin.buffer.read(1):
            pixels = image.data
            answer({"size": image.size, "mode": image.mode})
            sys.stdout.buffer.write(pixels)
    except Exception as error:
        answer({"error": str(error)})


def answer(values: dict[str, object]) -> None:
    """Writes one line."""
    sys.stdout.buffer.write(json.dumps(values).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
