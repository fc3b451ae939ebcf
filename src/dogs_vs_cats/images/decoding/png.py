"""Strict checks of PNG files: Pillow accepts damaged ones."""

import struct
import zlib

from dogs_vs_cats.images.decoding.raw_image import ImageRejected

_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PNG_CHUNK = 1 << 20


def check_png(data: bytes) -> None:
    """Refuses wrong checksums, which Pillow ignores, and missing rows, which it shows as black."""
    view = memoryview(data)
    at, end, rows, missing = 8, False, zlib.decompressobj(), -1
    while not end and at + 12 <= len(view):
        kind = bytes(view[at + 4 : at + 8])
        after = at + 8 + int.from_bytes(view[at : at + 4], "big")
        if after + 4 > len(view):
            break
        # Chunks in lower case are ancillary: damage there doesn't concern the image.
        if kind.isupper() and zlib.crc32(view[at + 4 : after]) != int.from_bytes(view[after : after + 4], "big"):
            raise ImageRejected(f"damaged: wrong checksum of the chunk {kind.decode('ascii')}")
        if kind == b"IHDR":
            missing = _png_bytes(view[at + 8 : after])
        elif kind == b"IDAT":
            rest: bytes | memoryview = view[at + 8 : after]
            while missing > 0 and rest:
                missing -= len(rows.decompress(rest, min(missing, _PNG_CHUNK)))
                rest = rows.unconsumed_tail
        end = kind == b"IEND"
        at = after + 4
    if not end or missing > 0:
        raise ImageRejected("truncated: the end of the file is missing" if not end else "truncated: rows are missing")


def _png_bytes(header: memoryview) -> int:
    """Bytes of all rows that a PNG header promises, each with its filter's number (PNG specification, 7.2 and 8.2)."""
    width, height, depth, colours, _, _, interlaced = struct.unpack_from(">IIBBBBB", header)
    bits = depth * _PNG_SAMPLES[colours]
    total = 0
    for left, top, right, down in _PNG_PASSES if interlaced else ((0, 0, 1, 1),):
        columns, lines = -(-(width - left) // right), -(-(height - top) // down)
        total += lines * (1 + -(-columns * bits // 8)) if columns > 0 and lines > 0 else 0
    return total
