"""Strict checks of PNG files: Pillow accepts damaged ones."""

import struct
import zlib

from dogs_vs_cats.images.decoding.raw_image import TRUNCATED, ImageRejected

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by colour type
_INTERLACED = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def check_png(data: bytes) -> None:
    """Refuses wrong checksums, which Pillow ignores, and missing rows, which it shows as black."""
    at, kind, compressed, expected = 8, b"", [], 0
    while kind != b"IEND":
        after = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if after + 4 > len(data):
            raise ImageRejected(TRUNCATED)
        kind, content = data[at + 4 : at + 8], data[at + 8 : after]
        # Chunks in lower case are ancillary: damage there doesn't concern the image.
        if kind.isupper() and zlib.crc32(kind + content) != int.from_bytes(data[after : after + 4], "big"):
            raise ImageRejected(f"damaged: wrong checksum of the chunk {kind.decode('ascii')}")
        if kind == b"IHDR":
            expected = _bytes_of_rows(content)
        elif kind == b"IDAT":
            compressed.append(content)
        at = after + 4
    if len(zlib.decompressobj().decompress(b"".join(compressed), max(expected, 1))) < expected:
        raise ImageRejected(TRUNCATED)


def _bytes_of_rows(header: bytes) -> int:
    """Bytes of all rows that a PNG header promises, each with its filter's number (PNG specification, 7.2 and 8.2)."""
    width, height, depth, colours, _, _, interlaced = struct.unpack_from(">IIBBBBB", header)
    bits = depth * _SAMPLES[colours]
    total = 0
    for left, top, right, down in _INTERLACED if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        total += rows * (1 + -(-columns * bits // 8)) if columns > 0 and rows > 0 else 0
    return total
