"""Strict checks of PNG files: Pillow accepts damaged ones."""

import struct
import zlib

from dogs_vs_cats.images.decoding.raw_image import TRUNCATED, ImageRejected

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by colour type


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
            width, height, depth, colours = struct.unpack_from(">IIBB", content)
            # Each row begins with a byte for its filter. Interlaced files have a few more bytes than this.
            expected = height * (1 + -(-width * depth * _SAMPLES[colours] // 8))
        elif kind == b"IDAT":
            compressed.append(content)
        at = after + 4
    if len(zlib.decompressobj().decompress(b"".join(compressed), max(expected, 1))) < expected:
        raise ImageRejected(TRUNCATED)
