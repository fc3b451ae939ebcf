"""Files and archives that were made to do harm, or only look as if: what each is, and what has to become of it.

Everything is generated, the same at every call. `docs/reliability.md` counts the cases; `test_reliability.py` feeds
them to the real ingestion.
"""

import gzip
import io
import pickle
import posixpath
import random
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from tests.images.test_decoding import (
    COLOURS,
    END,
    FILES,
    HEIGHT,
    TURNS,
    WIDTH,
    encoded,
    png,
    png_chunk,
    png_header,
    quadrants,
    tiff_of,
)

Colours = Mapping[str, tuple[int, int, int]]

UPSIDE_DOWN: Colours = {
    "top left": COLOURS["bottom right"],
    "top right": COLOURS["bottom left"],
    "bottom left": COLOURS["top right"],
    "bottom right": COLOURS["top left"],
}

MAX_PIXELS = 1_000_000
"""`ingestion.max_pixels` that the cases count on."""


@dataclass(frozen=True)
class Accepted:
    """The file is used, with this size and, where they are known, these colours in its corners."""

    width: int = WIDTH
    height: int = HEIGHT
    corners: Colours | None = field(default_factory=lambda: COLOURS)


@dataclass(frozen=True)
class Rejected:
    """The file becomes a row of the rejects, for a reason that this pattern is found in."""

    reason: str = "."


@dataclass(frozen=True)
class Either:
    """Damaged where no checksum reaches: rejected, or used as this."""

    used: Accepted


@dataclass(frozen=True)
class Ignored:
    """Left behind by an operating system: ignored without a row."""


Outcome = Accepted | Rejected | Either | Ignored


@dataclass(frozen=True)
class FileCase:
    """One file in a class folder.

    Attributes:
        kind: Its name in the counting table.
        name: Name of the file, below its class's folder.
        data: Its content.
        outcome: The right outcome.
    """

    kind: str
    name: str
    data: bytes
    outcome: Outcome


@dataclass(frozen=True)
class ArchiveCase:
    """One archive.

    Attributes:
        kind: Its name in the counting table.
        name: Says what it is.
        data: Its content.
        refused: Pattern of the message that refuses it; None where it is read.
        classes: Its classes; None where that may go either way.
        used: Paths of the photos that are used; None where that may go either way.
        rejected: Pattern of the reason by path.
    """

    kind: str
    name: str
    data: bytes
    refused: str | None = None
    classes: tuple[str, ...] | None = ("cat", "dog")
    used: tuple[str, ...] | None = ()
    rejected: Mapping[str, str] = field(default_factory=dict)


# --- files ----------------------------------------------------------------------------------------------------------

SUFFIX = {"jpeg": "jpg", "mpo": "jpg", "tiff": "tif"}


def suffix_of(kind: str) -> str:
    """The extension a file of this kind usually has."""
    first = kind.split()[0]
    return SUFFIX.get(first, first)


def other_picture() -> Image.Image:
    """The four colours upside down, so that its files differ from all others."""
    return Image.fromarray(np.ascontiguousarray(quadrants()[::-1, ::-1]))


@cache
def file_cases() -> list[FileCase]:
    """All files, with unique names."""
    cases = [
        case
        for make in (
            unusual_but_good,
            truncated,
            no_images,
            wrong_extensions,
            turned,
            broken_metadata,
            sizes,
            bombs,
            broken_structure,
            lying_tiffs,
            flipped_bytes,
            names,
            left_behind,
        )
        for case in make()
    ]
    assert len({case.name for case in cases}) == len(cases)
    return cases


def unusual_but_good() -> Iterator[FileCase]:
    """CMYK, YCCK, 16 bits, palettes, animations, progressive and multi-picture files."""
    for kind, data in FILES.items():
        yield FileCase("every kind of picture", f"good {kind}.{suffix_of(kind)}", data, Accepted())


def truncated() -> Iterator[FileCase]:
    """Every kind of file, cut at every tenth of its length."""
    for kind, data in FILES.items():
        for tenth in range(1, 10):
            # Of three pictures in one file, the first is used; it is whole from four tenths on.
            whole = kind == "mpo" and tenth >= 4
            outcome = Accepted() if whole else Rejected()
            name = f"{kind} cut at {tenth} tenths.{suffix_of(kind)}"
            yield FileCase("cut at every tenth", name, data[: len(data) * tenth // 10], outcome)
        yield FileCase(
            "cut by one byte", f"{kind} without its last byte.{suffix_of(kind)}", data[:-1], Either(Accepted())
        )
    for suffix in ("jpg", "png", "gif", "bmp", "tif", "webp", "avif", "ppm"):
        yield FileCase("zero bytes", f"empty.{suffix}", b"", Rejected("empty file"))


def archive_of(name: str, data: bytes) -> bytes:
    """A zip with one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def tar_of(name: str, data: bytes) -> bytes:
    """A tar with one member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    """A NumPy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


class Trap:
    """Unpickled, it would raise."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('unpickled')",))


def no_images() -> Iterator[FileCase]:
    """Anything but an image, under the name of one."""
    jpeg = FILES["jpeg"]
    contents = {
        "text": b"Dear diary, this is no photo.\n",
        "utf-16 text": "\ufeffno photo".encode("utf-16"),
        "web page": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "json": b'{"error": "rate limited"}',
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
        "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\nshowpage\n",
        "script": b"#!/bin/sh\ntouch /tmp/hostile\n",
        "program": b"\x7fELF\x02\x01\x01" + bytes(100),
        "windows program": b"MZ" + bytes(100),
        "zip of a photo": archive_of("cat.0.jpg", jpeg),
        "tar of a photo": tar_of("cat.0.jpg", jpeg),
        "gzip of a photo": gzip.compress(jpeg, mtime=0),
        "pickle": pickle.dumps(Trap()),
        "numpy array": npy(quadrants()),
        "numpy array of objects": npy(np.array([Trap()], dtype=object)),
        "base64": b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUE",
        "pointer of git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n",
        "pointer of dvc": b"outs:\n- md5: 00000000000000000000000000000000\n  path: cat.jpg\n",
        "sound": b"RIFF" + struct.pack("<I", 100) + b"WAVEfmt " + bytes(92),
        "film": b"\0\0\0\x18ftypmp42" + bytes(100),
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
        "icon": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + bytes(100),
        "photoshop": b"8BPS\0\1" + bytes(100),
        "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
        "zeros": bytes(5000),
        "ones": b"\xff" * 5000,
        "noise": random.Random(5).randbytes(5000),
        "one byte": b"\xff",
        "line ends": b"\r\n" * 500,
    }
    for what, data in contents.items():
        for suffix in ("jpg", "png"):
            yield FileCase("no image despite an image's name", f"{what}.{suffix}", data, Rejected())
    starts = {
        "jpg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0",
        "png": b"\x89PNG\r\n\x1a\n",
        "gif": b"GIF89a",
        "bmp": b"BM",
        "tif": b"II*\0",
        "webp": b"RIFF\x24\0\0\0WEBPVP8 ",
        "avif": b"\0\0\0\x20ftypavif",
        "ppm": b"P6\n96 64\n255\n",
    }
    for suffix, start in starts.items():
        for what, rest in (("nothing", b""), ("text", b"no photo" * 40), ("noise", random.Random(6).randbytes(900))):
            yield FileCase("only the first bytes of an image", f"start and {what}.{suffix}", start + rest, Rejected())


def wrong_extensions() -> Iterator[FileCase]:
    """Good pictures under the name of something else."""
    kinds = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "PPM")
    others = ("png", "jpg", "txt", "JPG", "bmp", "db", "jpeg.html", "gif")
    for kind, other in zip(kinds, others, strict=True):
        options = {"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {}
        yield FileCase(
            "a picture with a wrong extension",
            f"really {kind}.{other}",
            encoded(other_picture(), kind, **options),
            Accepted(corners=UPSIDE_DOWN),
        )
    yield FileCase(
        "a picture with a wrong extension",
        "without extension",
        encoded(other_picture(), "PNG", optimize=True),
        Accepted(corners=UPSIDE_DOWN),
    )


def turned() -> Iterator[FileCase]:
    """Pictures that lie on their side and say so."""
    picture = Image.fromarray(quadrants())
    for kind, suffix in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tif")):
        for orientation, turn in TURNS.items():
            exif = Image.Exif()
            exif[0x0112] = orientation
            stored = picture if turn is None else picture.transpose(turn)
            options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
            data = encoded(stored, kind, exif=exif, **options)
            yield FileCase("rotated by EXIF", f"orientation {orientation}.{suffix}", data, Accepted())


def broken_metadata() -> Iterator[FileCase]:
    """EXIF and colour profiles that make no sense, on pictures that do."""
    exifs = {
        "offset": b"Exif\0\0MM\0*\xff\xff\xff\xff",
        "empty": b"Exif\0\0",
        "nonsense": b"Exif\0\0nonsense" * 40,
        "loop": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 8),
        "many tags": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 65535),
        "orientation 9": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x0112, 3, 1, 9, 0),
        "orientation of text": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x0112, 2, 4, 0x41414141, 0),
        "huge count": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x0112, 3, 2**32 - 1, 6, 0),
    }
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profiles = {
        "text": b"not a profile" * 9,
        "half": profile[: len(profile) // 2],
        "size": b"\xff\xff\xff\xff" + profile[4:],
        "zeros": bytes(500),
    }
    for what, times in (("twice", 2), ("10,000 times", 10_000), ("5 million times", 5_000_000)):
        # Pillow 12 takes the header off again and again, copying what is left each time.
        endless = b"Exif\0\0" * times + exifs["loop"]
        yield FileCase(
            "broken EXIF",
            f"exif header {what}.png",
            png(png_header(WIDTH, HEIGHT), (b"eXIf", endless), png_rows(), END),
            Accepted(corners=dict.fromkeys(COLOURS, (0, 0, 0))),
        )
        if times * 6 < 65_000:
            data = encoded(quadrants(), "JPEG", exif=endless, quality=97)
            yield FileCase("broken EXIF", f"exif header {what}.jpg", data, Accepted())
    for kind, suffix in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp")):
        options = {"quality": 96} if kind != "PNG" else {}
        for what, exif in exifs.items():
            data = encoded(quadrants(), kind, exif=exif, **options)
            yield FileCase("broken EXIF", f"exif {what}.{suffix}", data, Accepted())
        for what, icc in profiles.items():
            data = encoded(quadrants(), kind, icc_profile=icc, **options)
            yield FileCase("broken colour profile", f"profile {what}.{suffix}", data, Accepted())
    for what, icc in profiles.items():
        yield FileCase(
            "broken colour profile", f"profile {what}.tif", encoded(quadrants(), "TIFF", icc_profile=icc), Accepted()
        )


def sizes() -> Iterator[FileCase]:
    """Pictures too small, too long or too large to be photos, and the last ones that aren't."""
    formats = (("JPEG", "jpg"), ("PNG", "png"), ("GIF", "gif"), ("BMP", "bmp"), ("TIFF", "tif"), ("WEBP", "webp"))
    shapes: dict[tuple[int, int], Outcome] = {
        (1, 1): Rejected("too small: 1x1 pixels, ingestion.min_side is 4"),
        (3, 3): Rejected("too small: 3x3"),
        (1, 2000): Rejected("too small: 1x2000"),
        (2000, 1): Rejected("too small: 2000x1"),
        (4, 4): Accepted(4, 4, None),
        (4, 400): Accepted(4, 400, None),
        (4, 4000): Accepted(4, 4000, None),
        (1001, 1000): Rejected("too large: 1001x1000 pixels, ingestion.max_pixels is 1000000"),
    }
    for kind, suffix in formats:
        for number, ((width, height), outcome) in enumerate(shapes.items()):
            # Each in a grey of its own: equal pictures would be duplicates.
            picture = Image.new("RGB", (width, height), (20 * number + 10,) * 3)
            yield FileCase("odd sizes", f"{width}x{height}.{suffix}", encoded(picture, kind), outcome)
        if kind != "WEBP":  # it ends at 16,383
            for width, height in ((1, 20_000), (20_000, 1)):
                data = encoded(Image.new("RGB", (width, height)), kind)
                yield FileCase(
                    "odd sizes", f"{width}x{height}.{suffix}", data, Rejected(f"too small: {width}x{height}")
                )


def png_rows(width: int = WIDTH, height: int = HEIGHT) -> tuple[bytes, bytes]:
    """The pixels of a PNG file, all black."""
    return b"IDAT", zlib.compress(bytes((1 + 3 * width) * height))


def jpeg_segment(marker: int, content: bytes) -> bytes:
    """A marker of JPEG with its content."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def jpeg_of_many_scans(side: int, scans: int) -> bytes:
    """A grey progressive JPEG that goes through all of its blocks again and again, for ten bytes each time."""
    blocks = (side // 8) ** 2
    runs = -(-blocks // 16384)
    again = jpeg_segment(0xDA, b"\1\1\0\1\1\0") + bytes(-(-runs * 15 // 8))
    parts = [
        b"\xff\xd8",
        jpeg_segment(0xDB, b"\0" + b"\1" * 64),
        jpeg_segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0"),
        jpeg_segment(0xC4, b"\0\1" + bytes(15) + b"\0"),
        jpeg_segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0"),
        jpeg_segment(0xDA, b"\1\1\0\0\0\0") + bytes(-(-blocks // 8)),
        again * scans,
        b"\xff\xd9",
    ]
    return b"".join(parts)


def resized_header(kind: str, width: int, height: int) -> bytes:
    """A small file whose header promises a large picture."""
    data = bytearray(FILES[kind])
    if kind == "jpeg":
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    elif kind == "jpeg progressive":
        at = data.index(b"\xff\xc2")
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    elif kind == "gif":
        data[6:10] = struct.pack("<HH", width, height)
    elif kind == "bmp":
        data[18:26] = struct.pack("<ii", width, height)
    elif kind == "ppm":
        data[: data.index(b"255")] = b"P6\n%d %d\n" % (width, height)
    elif kind == "tiff":
        for tag, value in ((256, width), (257, height)):
            at = data.index(struct.pack("<HHI", tag, 4, 1)) if struct.pack("<HHI", tag, 4, 1) in data else -1
            at = at if at >= 0 else data.index(struct.pack("<HHI", tag, 3, 1))
            data[at : at + 12] = struct.pack("<HHII", tag, 4, 1, value)
    return bytes(data)


def bombs() -> Iterator[FileCase]:
    """Small files that ask for very much memory or time."""
    bomb = "decompression bomb"
    large = Rejected("too large")
    for kind, side in (
        ("jpeg", 65_000),
        ("jpeg", 1_500),
        ("jpeg progressive", 65_000),
        ("gif", 65_535),
        ("bmp", 100_000),
        ("bmp", 2**31 - 1),
        ("ppm", 100_000),
        ("ppm", 10**9),
        ("tiff", 100_000),
        ("tiff", 2**32 - 1),
    ):
        yield FileCase(bomb, f"{kind} of {side}.{suffix_of(kind)}", resized_header(kind, side, side), large)
    for side in (3_000, 60_000, 2**31 - 1):
        rows = b"IDAT", zlib.compress(bytes(10_000_000))
        yield FileCase(bomb, f"png of {side}.png", png(png_header(side, side), rows, END), large)
    webp = bytearray(encoded(quadrants(), "WEBP", quality=95, icc_profile=b"profile"))
    at = webp.index(b"VP8X")
    webp[at + 12 : at + 18] = b"\xff\xff\x00\xff\xff\x00"
    yield FileCase(bomb, "webp canvas.webp", bytes(webp), Rejected())
    text = zlib.compress(bytes(100_000_000), 9)
    for chunk in (
        (b"iCCP", b"icc\0\0" + text),
        (b"zTXt", b"Comment\0\0" + text),
        (b"iTXt", b"Comment\0\1\0\0\0" + text),
    ):
        name = chunk[0].decode()
        data = png(png_header(WIDTH, HEIGHT), chunk, png_rows(), END)
        black = dict.fromkeys(COLOURS, (0, 0, 0))
        yield FileCase(bomb, f"{name} of 100 MB.png", data, Either(Accepted(corners=black)))
    rows = b"IDAT", zlib.compress(bytes((1 + 3 * WIDTH) * HEIGHT) + bytes(50_000_000), 9)
    black = dict.fromkeys(COLOURS, (0, 0, 0))
    yield FileCase(
        bomb, "more rows than promised.png", png(png_header(WIDTH, HEIGHT), rows, END), Either(Accepted(corners=black))
    )
    many = [(b"tEXt", b"a\0b%d" % number) for number in range(60_000)]
    yield FileCase(
        bomb,
        "60,000 remarks.png",
        png(png_header(WIDTH, HEIGHT + 1), *many, png_rows(height=HEIGHT + 1), END),
        Either(Accepted(height=HEIGHT + 1, corners=black)),
    )
    yield FileCase("time bomb", "5,000 scans.jpg", jpeg_of_many_scans(992, 5_000), Rejected("scans"))
    too_many = Rejected("13 scans of 992x992 pixels, as much work as 1066069 pixels; ingestion.max_pixels is 1000000")
    yield FileCase("time bomb", "13 scans.jpg", jpeg_of_many_scans(992, 12), too_many)
    yield FileCase("time bomb", "12 scans.jpg", jpeg_of_many_scans(992, 11), Accepted(992, 992, None))
    yield FileCase("time bomb", "2,000 scans.jpg", jpeg_of_many_scans(64, 1_999), Accepted(64, 64, None))
    frames = [Image.new("P", (8, 8), number % 256) for number in range(2_000)]
    gif = encoded(Image.new("P", (8, 8), 1), "GIF", save_all=True, append_images=frames)
    yield FileCase("time bomb", "2,000 frames.gif", gif, Accepted(8, 8, None))
    loop = bytearray(encoded(other_picture(), "TIFF", software="loop"))
    (first,) = struct.unpack_from("<I", loop, 4)
    (count,) = struct.unpack_from("<H", loop, first)
    struct.pack_into("<I", loop, first + 2 + 12 * count, first)
    yield FileCase("time bomb", "directories in a circle.tif", bytes(loop), Accepted(corners=UPSIDE_DOWN))


def without(data: bytes, marker: int) -> bytes:
    """A JPEG without its segments of one kind."""
    at, kept = 2, [data[:2]]
    while data[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, at + 2)
        if data[at + 1] != marker:
            kept.append(data[at : at + 2 + length])
        at += 2 + length
    return b"".join(kept) + data[at:]


def broken_structure() -> Iterator[FileCase]:
    """Files whose parts are missing, doubled, out of order or lie about each other."""
    kind = "broken structure"
    jpeg = FILES["jpeg"]
    frame = jpeg.index(b"\xff\xc0")
    (frame_length,) = struct.unpack_from(">H", jpeg, frame + 2)
    frame_segment = jpeg[frame : frame + 2 + frame_length]

    def framed(
        marker: int = 0xC0, bits: int = 8, height: int = HEIGHT, width: int = WIDTH, components: int = 3
    ) -> bytes:
        changed = bytes((0xFF, marker)) + struct.pack(">HBHHB", frame_length, bits, height, width, components)
        return jpeg.replace(frame_segment, changed + frame_segment[10:])

    jpegs = {
        "without quantization": without(jpeg, 0xDB),
        "without a frame": without(jpeg, 0xC0),
        "two frames": jpeg.replace(frame_segment, frame_segment * 2),
        "no height": framed(height=0),
        "no width": framed(width=0),
        "no components": framed(components=0),
        "five components": framed(components=5),
        "12 bits": framed(bits=12),
        "lossless": framed(0xC3),
        "hierarchical": framed(0xC5),
        "called progressive": framed(0xC2),
        "start and end": b"\xff\xd8\xff\xd9",
        "end at once": b"\xff\xd8\xff\xd9" + jpeg[2:],
        "a segment of 65,535": jpeg[:2] + b"\xff\xe1\xff\xff" + jpeg[2:],
        "twice as high": framed(height=2 * HEIGHT),
        "without pixels": jpeg[: jpeg.index(b"\xff\xda")] + b"\xff\xd9",
        "header of scan alone": jpeg[: jpeg.index(b"\xff\xda") + 14] + b"\xff\xd9",
        "space before": b" " + jpeg,
        "restart markers at random": jpeg[:-40] + b"\xff\xd3\xff\xd0" + jpeg[-40:],
        "table of ones": jpeg.replace(b"\xff\xc4", b"\xff\xc4\0\x13\0" + b"\xff" * 16 + b"\xff\xc4", 1),
    }
    for what, data in jpegs.items():
        yield FileCase(kind, f"jpeg {what}.jpg", data, Rejected())
    jpegs_either = {
        # Its picture is what an arithmetic decoder makes of another code: formally a good file.
        "arithmetic": (framed(0xC9), None),
        # libjpeg has the usual Huffman tables in itself, as films of JPEG frames need them.
        "without Huffman tables": (without(jpeg, 0xC4), None),
        "a segment of 1": (jpeg[:2] + b"\xff\xe1\0\1" + jpeg[2:], COLOURS),
    }
    for what, (data, corners) in jpegs_either.items():
        yield FileCase(kind, f"jpeg {what}.jpg", data, Either(Accepted(corners=corners)))
    head, rows = png_header(WIDTH, HEIGHT), png_rows()
    pngs = {
        "without a header": png(rows, END),
        "without pixels": png(head, END),
        "end first": png(head, END, rows),
        "pixels first": png(rows, head, END),
        "no width": png(png_header(0, HEIGHT), rows, END),
        "no height": png(png_header(WIDTH, 0), rows, END),
        "3 bits": png(png_header(WIDTH, HEIGHT, bits=3), rows, END),
        "colours 5": png(png_header(WIDTH, HEIGHT, colours=5), rows, END),
        "too few rows": png(head, png_rows(height=10), END),
        "rows of noise": png(head, (b"IDAT", random.Random(7).randbytes(500)), END),
        "filter 9": png(head, (b"IDAT", zlib.compress(b"\x09" * (1 + 3 * WIDTH) * HEIGHT)), END),
        "short header": png((b"IHDR", head[1][:8]), rows, END),
        "wrong checksum of header": png(head, rows, END).replace(png_chunk(*head), png_chunk(*head)[:-4] + b"\0" * 4),
        "wrong checksum of pixels": png(head, rows, END).replace(png_chunk(*rows), png_chunk(*rows)[:-4] + b"\0" * 4),
        "length of 2 GB": png(head, END).replace(b"\0\0\0\0IEND", b"\x7f\xff\xff\xffIDAT") + b"IEND",
        "negative length": png(head, END).replace(b"\0\0\0\0IEND", b"\xff\xff\xff\xffIDAT") + b"IEND",
        "chunk without a name": png(head, (b"\0\0\0\0", b""), rows, END),
    }
    for what, data in pngs.items():
        yield FileCase(kind, f"png {what}.png", data, Rejected())
    yield FileCase(
        kind,
        "png without its palette.png",
        png(png_header(WIDTH, HEIGHT, colours=3), rows, END),
        Either(Accepted(corners=None)),
    )
    gif = FILES["gif"]
    picture = gif.index(b",\0\0\0\0" + struct.pack("<HH", WIDTH, HEIGHT))
    bmp = FILES["bmp"]
    tiff = FILES["tiff"]
    webp = FILES["webp"]
    (directory,) = struct.unpack_from("<I", tiff, 4)
    others = {
        "gif without a picture.gif": gif[:13] + b";",
        "gif with codes of 30 bits.gif": gif[: picture + 10] + b"\x1e" + gif[picture + 11 :],
        "gif of another year.gif": b"GIF99a" + gif[6:],
        "bmp of 7 bits.bmp": bmp[:28] + b"\7\0" + bmp[30:],
        "bmp of compression 99.bmp": bmp[:30] + b"\x63\0\0\0" + bmp[34:],
        "bmp with pixels outside.bmp": bmp[:10] + b"\xff\xff\xff\x7f" + bmp[14:],
        "bmp with a header of 3 bytes.bmp": bmp[:14] + b"\3\0\0\0" + bmp[18:],
        "bmp of negative width.bmp": bmp[:18] + struct.pack("<i", -WIDTH) + bmp[22:],
        "tiff with its directory outside.tif": tiff[:4] + b"\xff\xff\xff\x7f" + tiff[8:],
        "tiff with its directory in the header.tif": tiff[:4] + b"\0\0\0\0" + tiff[8:],
        "tiff with an empty directory.tif": tiff[:directory] + b"\0\0" + tiff[directory + 2 :],
        "tiff of compression 60,000.tif": tiff.replace(
            struct.pack("<HHIHH", 259, 3, 1, 1, 0), struct.pack("<HHIHH", 259, 3, 1, 60_000, 0)
        ),
        "webp without a picture.webp": b"RIFF\4\0\0\0WEBP",
        "webp called lossless.webp": webp.replace(b"VP8 ", b"VP8L"),
        "webp of nothing.webp": webp[:20] + bytes(len(webp) - 20),
        "ppm of negative width.ppm": b"P6\n-96 64\n255\n" + bytes(3 * WIDTH * HEIGHT),
        "ppm of no greys.ppm": b"P6\n96 64\n0\n" + bytes(3 * WIDTH * HEIGHT),
        "ppm of 70,000 greys.ppm": b"P6\n96 64\n70000\n" + bytes(6 * WIDTH * HEIGHT),
        "ppm without numbers.ppm": b"P6\n\n\n\n" + bytes(3 * WIDTH * HEIGHT),
        "ppm of words.ppm": b"P3\n96 64\n255\nred green blue\n",
        "pbm of words.pbm": b"P1\n96 64\nblack white\n",
    }
    for name, data in others.items():
        yield FileCase(kind, name, data, Rejected())
    low = quadrants()[:10]
    for form in ("GIF", "BMP", "TIFF", "TIFF packed", "PPM"):
        # A file that is whole, but for a header that promises more rows than there are.
        options = {"compression": "tiff_lzw"} if "packed" in form else {}
        data = encoded(low, form.split()[0], **options)
        name = f"{form.lower()} of too few rows.{suffix_of(form.lower())}"
        yield FileCase(kind, name, taller(form, data, 10), Rejected())
    for name, data in (
        ("webp of a wrong size.webp", webp[:4] + struct.pack("<I", 10) + webp[8:]),
        ("webp of a huge size.webp", webp[:4] + struct.pack("<I", 2**31) + webp[8:]),
        ("tiff with 65,535 entries.tif", tiff[:directory] + b"\xff\xff" + tiff[directory + 2 :]),
        ("bmp with a wrong size.bmp", bmp[:2] + struct.pack("<I", 1) + bmp[6:]),
        ("ppm with remarks.ppm", FILES["ppm"].replace(b"P6\n", b"P6\n# a remark\n")),
    ):
        yield FileCase(kind, name, data, Either(Accepted()))
    flipped = bytearray(encoded(np.ascontiguousarray(quadrants()[::-1]), "BMP"))
    flipped[22:26] = struct.pack("<i", -HEIGHT)
    yield FileCase(kind, "bmp from top to bottom.bmp", bytes(flipped), Accepted())
    for name, data in FILES.items():
        # Cameras and telephones add films and thumbnails behind a photo.
        data += b"more bytes " * 30
        yield FileCase("bytes after the picture", f"{name} and more.{suffix_of(name)}", data, Either(Accepted()))


def taller(form: str, data: bytes, height: int) -> bytes:
    """A picture of few rows whose header promises `HEIGHT` of them."""
    if form == "GIF":
        size = struct.pack("<HH", WIDTH, height)
        return data.replace(size, struct.pack("<HH", WIDTH, HEIGHT))
    if form == "BMP":
        return data.replace(struct.pack("<ii", WIDTH, height), struct.pack("<ii", WIDTH, HEIGHT))
    if form == "PPM":
        return data.replace(b"96 %d" % height, b"96 %d" % HEIGHT)
    for tag in (257, 278):  # the height, and the rows of a strip
        for kind, pattern in ((3, "<HHIHH"), (4, "<HHII")):
            rest = (0,) if kind == 3 else ()
            old = struct.pack(pattern, tag, kind, 1, height, *rest)
            data = data.replace(old, struct.pack(pattern, tag, kind, 1, HEIGHT, *rest))
    return data


def lying_tiffs() -> Iterator[FileCase]:
    """TIFF files whose tiles or strips are smaller or larger than their pixels need: decoders read or wrote beyond."""
    size = {"t256": 32, "t257": 32}
    tile = {**size, "t322": 32, "t323": 32, "t324": 8}
    strip = {**size, "t278": 32, "t273": 8}
    few = zlib.compress(bytes(32 * 32))
    jpeg = {shape: encoded(Image.new("L", shape, 99), "JPEG") for shape in ((32, 8), (64, 32), (400, 400))}
    cases = {
        "four samples in tiles of one": tiff_of(few, **tile, t258=(8, 8, 8, 8), t259=8, t262=2, t277=4, t325=len(few)),
        "one sample called four": tiff_of(few, **tile, t258=(8, 8, 8, 8), t259=8, t262=2, t277=1, t325=len(few)),
        "colour differences at a half": tiff_of(
            few, **tile, t258=(8, 8, 8), t259=8, t262=6, t277=3, t325=len(few), t530=(2, 2)
        ),
        "a JPEG strip of few rows": tiff_of(
            jpeg[32, 8], **strip, t258=8, t259=7, t262=1, t277=1, t279=len(jpeg[32, 8])
        ),
        "a JPEG tile too wide": tiff_of(jpeg[64, 32], **tile, t258=8, t259=7, t262=1, t277=1, t325=len(jpeg[64, 32])),
        "a JPEG tile far too large": tiff_of(
            jpeg[400, 400], **tile, t258=8, t259=7, t262=1, t277=1, t325=len(jpeg[400, 400])
        ),
        "a tile of 4 billion": tiff_of(
            few, **{**tile, "t322": 2**31 - 16, "t323": 2**31 - 16}, t258=8, t259=8, t262=1, t277=1, t325=len(few)
        ),
    }
    for what, data in cases.items():
        # Of these two libtiff reads what there is; Pillow shows the rest as black.
        short = what in ("colour differences at a half", "a JPEG strip of few rows")
        outcome = Either(Accepted(32, 32, None)) if short else Rejected()
        yield FileCase("broken structure", f"tiff with {what}.tif", data, outcome)


def flipped_bytes() -> Iterator[FileCase]:
    """Damage in the second half of a file, behind the headers."""
    dice = random.Random(11)
    for kind, data in FILES.items():
        for number in range(4):
            damaged = bytearray(data)
            for _ in range(number + 1):
                damaged[dice.randrange(len(data) // 2, len(data))] ^= 1 << dice.randrange(8)
            name = f"{kind} with {number + 1} bits flipped.{suffix_of(kind)}"
            # Only PNG has checksums; the second half of an animated one is another picture.
            checked = kind.startswith("png") and kind != "png animated"
            outcome = Rejected() if checked else Either(Accepted(corners=None))
            yield FileCase("flipped bits", name, bytes(damaged), outcome)


def named(number: int) -> bytes:
    """A picture with a remark, so that no two are the same file."""
    remark = PngImagePlugin.PngInfo()
    remark.add_text("number", str(number))
    return encoded(quadrants(), "PNG", pnginfo=remark)


def names() -> Iterator[FileCase]:
    """Good pictures with names that break programs."""
    odd = (
        " leading space.png",
        "trailing space .png ",
        "two  spaces.png",
        "-rf.png",
        "--help.png",
        "-.png",
        "new\nline.png",
        "carriage\rreturn.png",
        "both\r\nof them.png",
        "tab\tstop.png",
        "bell\a and escape \x1b[31m.png",
        "vertical\x0btab and form\x0cfeed.png",
        "next\x85line and line\u2028separator.png",
        'double "quotes".png',
        "single 'quotes'.png",
        '"begins quoted.png',
        "comma, semicolon; bar|.png",
        "back\\slash.png",
        "dollar $(touch hostile) `touch hostile`.png",
        "; touch hostile;.png",
        "percent %s %d %n %00.png",
        "braces {0} {name} ${oc.env:HOME}.png",
        "=1+1.png",
        "@SUM(1).png",
        "<b>bold<b> &amp; <script>.png",
        "ümläut.png",
        "u\u0308mla\u0308ut.png",
        "猫 и собака.png",
        "🐕‍🦺.png",
        "right \u202e to left.png",
        "zero\u200bwidth.png",
        "\ufeffmark.png",
        "NaN",
        "None.png",
        "null",
        "NA",
        "1e5",
        "007.png",
        "True",
        "CON.png",
        "nul.txt",
        "many.dots.in.it...png",
        "~.png",
        "#remark.png",
        "*.png",
        "?.png",
        "[0].png",
        "x" * 251 + ".png",
        "ü" * 125 + ".png",
    )
    for number, name in enumerate(odd):
        yield FileCase("names", name, named(number), Accepted())


def left_behind() -> Iterator[FileCase]:
    """Files that operating systems leave in folders of photos."""
    for name in (
        ".DS_Store",
        "Thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "._cat.jpg",
        ".hidden.jpg",
        "__MACOSX/cat.jpg",
    ):
        yield FileCase("system files", name, b"\0\0\0\1Bud1" + bytes(50), Ignored())


# --- archives -------------------------------------------------------------------------------------------------------


def photo(number: int) -> bytes:
    """A small photo like no other."""
    colour = (37 * number % 256, 91 * number % 256, 200 - number % 100)
    return encoded(Image.new("RGB", (16, 16), colour), "PNG")


def zip_of(
    members: Mapping[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A zip of these members, with a fixed date."""
    buffer = io.BytesIO()
    pairs = members.items() if isinstance(members, Mapping) else members
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in pairs:
            if isinstance(name, str):
                info = zipfile.ZipInfo("x")
                info.filename = name  # past the constructor, which would mend it
            else:
                info = name
            info.compress_type = method
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of doubled names
                archive.writestr(info, data)
    return buffer.getvalue()


PETS = {
    f"train/{name}.{number}.png": photo(3 * number + at) for at, name in enumerate(("cat", "dog")) for number in (0, 1)
}
USED = tuple(PETS)


def with_pets(extra: Mapping[str, bytes]) -> bytes:
    """The good archive with more in it."""
    return zip_of({**PETS, **extra})


def changed_directory(data: bytes, member: int, **changes: int) -> bytes:
    """Changes one record of a zip's directory; see APPNOTE 4.3.12 for the places."""
    places = {"flags": (8, "<H"), "method": (10, "<H"), "crc": (16, "<I"), "stored": (20, "<I"), "size": (24, "<I")}
    places |= {"mode": (38, "<I"), "offset": (42, "<I")}
    made = bytearray(data)
    (at,) = struct.unpack_from("<I", made, made.rindex(b"PK\5\6") + 16)
    for _ in range(member):
        lengths = struct.unpack_from("<HHH", made, at + 28)
        at += 46 + sum(lengths)
    for name, value in changes.items():
        place, form = places[name]
        struct.pack_into(form, made, at + place, value)
    return bytes(made)


@cache
def archive_cases() -> list[ArchiveCase]:
    """All archives, with unique names."""
    makers: tuple[Callable[[], Iterator[ArchiveCase]], ...] = (
        unsafe_names,
        unusual_members,
        archive_bombs,
        damaged_archives,
        nested,
        layouts,
        no_archives,
    )
    cases = [case for make in makers for case in make()]
    assert len({(case.kind, case.name) for case in cases}) == len(cases)
    return cases


def unsafe_names() -> Iterator[ArchiveCase]:
    """Members whose names lead elsewhere."""
    outside = (
        "../cat.9.png",
        "../../../../etc/cat.9.png",
        "train/../../cat.9.png",
        "train/cat.9.png/../../../cat.9.png",
        "..\\cat.9.png",
        "train\\..\\..\\cat.9.png",
        "./../cat.9.png",
        "..",
        "train/..",
    )
    for name in outside:
        shown = posixpath.normpath(name.replace("\\", "/"))
        yield ArchiveCase(
            "path traversal",
            f"member {name}",
            with_pets({name: photo(99)}),
            used=USED,
            rejected={shown: "leads out of|empty"},
        )
    for name in (
        "/cat.9.png",
        "//server/share/cat.9.png",
        "/etc/passwd",
        "C:/cat.9.png",
        "c:\\cat.9.png",
        "\\cat.9.png",
    ):
        shown = name.replace("\\", "/")
        yield ArchiveCase(
            "absolute names",
            f"member {name}",
            with_pets({name: photo(99)}),
            used=USED,
            rejected={shown: "absolute"},
        )
    for name in (
        "train/cat.9\r.png",
        "train/cat.9.png\n",
        "train/cat.9.png ",
        "train/cat.9\t.png",
        "train/ü/cat.9.png",
        "train/cat.9.png" + "x" * 300,
    ):
        yield ArchiveCase("strange names", f"member {name!r}", with_pets({name: photo(99)}), used=None)
    for name in ("", "."):
        yield ArchiveCase(
            "strange names",
            f"member without a name {name!r}",
            with_pets({name: photo(99)}),
            used=USED,
            rejected={".": "empty"},
        )


def special(name: str, mode: int) -> zipfile.ZipInfo:
    """A member that is no regular file."""
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def unusual_members() -> Iterator[ArchiveCase]:
    """Links, devices, doubled and encrypted members, and methods of packing that are not read."""
    for what, mode, target in (
        ("a link to a member", 0o120777, b"cat.0.png"),
        ("a link to the password file", 0o120777, b"/etc/passwd"),
        ("a link to itself", 0o120777, b"cat.9.png"),
        ("a pipe", 0o010666, b""),
        ("a block device", 0o060666, b""),
        ("a character device", 0o020666, b""),
        ("a socket", 0o140666, b""),
    ):
        members: list[tuple[str | zipfile.ZipInfo, bytes]] = [*PETS.items(), (special("train/cat.9.png", mode), target)]
        yield ArchiveCase(
            "links and devices", what, zip_of(members), used=USED, rejected={"train/cat.9.png": "not a regular file"}
        )
    first, *_ = PETS
    for what, doubled in {
        "the same name twice": [*PETS.items(), (first, photo(99))],
        "the same file twice": [*PETS.items(), (first, PETS[first])],
        "the same name in another spelling": [*PETS.items(), ("train/./cat.0.png", photo(99))],
        "the same name with a backslash": [*PETS.items(), ("train\\cat.0.png", photo(99))],
        "the same name with two slashes": [*PETS.items(), ("train//cat.0.png", photo(99))],
    }.items():
        yield ArchiveCase(
            "duplicate names", what, zip_of([*doubled]), used=USED, rejected={first: "a second member of the same name"}
        )
    good = zip_of(PETS)
    yield ArchiveCase(
        "encrypted",
        "one member",
        changed_directory(good, 0, flags=1),
        used=USED[1:],
        rejected={first: "encrypted"},
    )
    every = good
    for member in range(4):
        every = changed_directory(every, member, flags=1)
    yield ArchiveCase("encrypted", "all members", every, refused="4 were rejected.*encrypted")
    for method, name in ((9, "deflate64"), (12, "bzip2"), (14, "lzma"), (93, "zstandard"), (99, "aes"), (1, "shrunk")):
        yield ArchiveCase(
            "unknown packing",
            name,
            changed_directory(good, 0, method=method),
            used=USED[1:],
            rejected={first: "unreadable in the archive"},
        )


def archive_bombs() -> Iterator[ArchiveCase]:
    """Archives that unpack to far more than they are."""
    bomb = "archive bombs"
    inside = "train/cat.9.png"
    yield ArchiveCase(
        bomb,
        "a member of 20 MB zeros",
        with_pets({inside: bytes(20_000_000)}),
        used=USED,
        rejected={inside: "not an image"},
    )
    hundred = {f"train/cat.{number}.png": bytes(2_000_000) for number in range(100, 120)}
    yield ArchiveCase(
        bomb,
        "twenty of 2 MB zeros",
        with_pets(hundred),
        used=USED,
        rejected=dict.fromkeys(hundred, "not an image|duplicate"),
    )
    good = zip_of(PETS)
    first = USED[0]
    yield ArchiveCase(
        bomb,
        "a directory that promises 4 GB",
        changed_directory(good, 0, size=2**32 - 2),
        used=USED[1:],
        rejected={first: "too large"},
    )
    yield ArchiveCase(
        bomb,
        "a directory that promises 100 MB",
        changed_directory(good, 0, size=100_000_000),
        used=USED[1:],
        rejected={first: "another size"},
    )
    liar = with_pets({inside: bytes(20_000_000)})
    yield ArchiveCase(
        bomb,
        "20 MB called 1,000 bytes",
        changed_directory(liar, 4, size=1_000),
        used=USED,
        rejected={inside: "unreadable|empty"},
    )
    yield ArchiveCase(
        bomb,
        "two members on one place",
        changed_directory(with_pets({inside: photo(99)}), 4, offset=0),
        used=USED,
        rejected={inside: "unreadable in the archive"},
    )
    yield ArchiveCase(
        bomb,
        "an inner archive of zeros",
        zip_of({"train.zip": bytes(20_000_000)}),
        refused="isn't packed like an archive",
    )
    yield ArchiveCase(
        bomb,
        "a megabyte of zeros is no bomb",
        with_pets({inside: bytes(1024**2)}),
        used=USED,
        rejected={inside: "not an image"},
    )
    many = {f"train/dog.{number}.txt": b"" for number in range(20_000)}
    yield ArchiveCase(
        bomb, "20,000 empty members", with_pets(many), used=USED, rejected=dict.fromkeys(list(many)[:3], "empty")
    )


def damaged_archives() -> Iterator[ArchiveCase]:
    """Archives that are cut, flipped or otherwise not what they were."""
    for method, how in ((zipfile.ZIP_STORED, "stored"), (zipfile.ZIP_DEFLATED, "deflated")):
        good = zip_of(PETS, method)
        for tenth in range(10):
            yield ArchiveCase(
                "archives cut at every tenth",
                f"{how}, cut at {tenth} tenths",
                good[: len(good) * tenth // 10],
                refused="is no zip file, or is cut short or damaged",
            )
        with zipfile.ZipFile(io.BytesIO(good)) as archive:
            info = archive.infolist()[1]
        wrong = bytearray(good)
        wrong[info.header_offset + 30 + len(info.filename) + info.compress_size // 2] ^= 0xFF
        others = tuple(name for name in USED if name != info.filename)
        yield ArchiveCase(
            "wrong checksum",
            f"{how}, a byte flipped",
            bytes(wrong),
            used=others,
            rejected={info.filename: "unreadable in the archive"},
        )
        yield ArchiveCase(
            "wrong checksum",
            f"{how}, another checksum",
            changed_directory(good, 1, crc=1),
            used=others,
            rejected={info.filename: "unreadable in the archive"},
        )
    good = zip_of(PETS)
    dice = random.Random(13)
    for number in range(40):
        flipped = bytearray(good)
        for _ in range(dice.choice((1, 2, 8))):
            flipped[dice.randrange(len(flipped))] ^= 1 << dice.randrange(8)
        yield ArchiveCase(
            "flipped bits in archives", f"flip {number}", bytes(flipped), refused="", classes=None, used=None
        )
    first = USED[0]
    broken = "broken directory"
    yield ArchiveCase(
        broken,
        "an offset behind the end",
        changed_directory(good, 0, offset=2**31),
        used=USED[1:],
        rejected={first: "unreadable"},
    )
    yield ArchiveCase(
        broken, "an offset in the middle", changed_directory(good, 0, offset=5), used=None, rejected={first: "."}
    )
    yield ArchiveCase(
        broken,
        "another name at its place",
        good.replace(first.encode(), b"train/cow.0.png", 1),
        used=USED[1:],
        rejected={first: "unreadable"},
    )
    yield ArchiveCase(
        broken,
        "fewer bytes than stored",
        changed_directory(good, 0, stored=10),
        used=USED[1:],
        rejected={first: "unreadable"},
    )
    yield ArchiveCase(
        broken, "no size", changed_directory(good, 0, size=0), used=USED[1:], rejected={first: "unreadable|empty"}
    )
    yield ArchiveCase(broken, "a program before it", b"MZ" + bytes(1000) + good, used=USED)
    yield ArchiveCase(broken, "bytes behind it", good + b"more", classes=None, used=None, refused="")
    yield ArchiveCase(broken, "a remark", good[:-2] + struct.pack("<H", 9) + b"a remark!", used=USED)
    yield ArchiveCase(broken, "no member", zip_of({}), refused="no images")
    yield ArchiveCase(broken, "folders only", zip_of({"train/": b"", "train/cat/": b""}), refused="no images")
    yield ArchiveCase(broken, "an end alone", b"PK\5\6" + bytes(18), refused="no images")
    yield ArchiveCase(
        broken, "the second of two disks", good[:-18] + b"\1\0" + good[-16:], classes=None, used=None, refused=""
    )


def nested() -> Iterator[ArchiveCase]:
    """Archives in archives."""
    kind = "nested archives"
    good = zip_of(PETS)
    yield ArchiveCase(kind, "Kaggle's own", zip_of({"train.zip": good, "test1.zip": good}), used=USED)
    yield ArchiveCase(
        kind, "one deeper", zip_of({"dogs-vs-cats.zip": zip_of({"train.zip": good})}), refused="aren't opened"
    )
    yield ArchiveCase(kind, "of another name", zip_of({"photos.zip": good}), refused="aren't opened")
    yield ArchiveCase(kind, "beside photos", with_pets({"more.zip": good}), used=USED)
    yield ArchiveCase(
        kind,
        "among photos",
        with_pets({"train/cat.9.zip": good}),
        used=USED,
        rejected={"train/cat.9.zip": "an archive"},
    )
    yield ArchiveCase(
        kind, "an inner one that is cut", zip_of({"train.zip": good[:300]}), refused="is no zip file|damaged"
    )
    yield ArchiveCase(
        kind, "an inner one that is text", zip_of({"train.zip": b"no archive"}), refused="is no zip file|damaged"
    )
    yield ArchiveCase(kind, "an inner one that is empty", zip_of({"train.zip": b""}), refused="is no zip file|damaged")
    yield ArchiveCase(
        kind,
        "an inner one that is encrypted",
        changed_directory(zip_of({"train.zip": with_pets({"train/cat.8.png": photo(8)})}), 0, flags=1),
        refused="is encrypted",
    )
    yield ArchiveCase(
        kind,
        "an inner one with path traversal",
        zip_of({"train.zip": with_pets({"../cat.9.png": photo(99)})}),
        used=USED,
        rejected={"../cat.9.png": "leads out of"},
    )
    yield ArchiveCase(kind, "an inner one that leads out", zip_of({"../../train.zip": good}), used=USED)
    yield ArchiveCase(
        kind, "a tar", zip_of({"train.tar": tar_of("train/cat.0.png", photo(1))}), refused="aren't opened"
    )


def layouts() -> Iterator[ArchiveCase]:
    """Editions and languages of the same thing, and what is no classification at all."""
    microsoft = {
        "PetImages/Cat/0.jpg": encoded(Image.new("RGB", (20, 20), (250, 10, 10)), "JPEG"),
        "PetImages/Cat/666.jpg": b"",
        "PetImages/Cat/10404.jpg": b"",
        "PetImages/Cat/Thumbs.db": b"\xd0\xcf\x11\xe0" + bytes(500),
        "PetImages/Dog/0.jpg": encoded(Image.new("RGB", (20, 20), (10, 250, 10)), "JPEG"),
        "PetImages/Dog/11702.jpg": b"",
        "PetImages/Dog/11853.jpg": FILES["jpeg"][:100],
        "PetImages/Dog/9500.jpg": encoded(Image.new("L", (20, 20), 77), "JPEG"),
        "PetImages/Dog/Thumbs.db": b"\xd0\xcf\x11\xe0" + bytes(500),
        "MSR-LA - 3467.docx": b"PK",
        "readme[1].txt": b"text",
    }
    yield ArchiveCase(
        "Microsoft's archive",
        "with its corrupt photos",
        zip_of(microsoft),
        used=("PetImages/Cat/0.jpg", "PetImages/Dog/0.jpg", "PetImages/Dog/9500.jpg"),
        rejected={
            "PetImages/Cat/666.jpg": "empty file",
            "PetImages/Cat/10404.jpg": "empty file",
            "PetImages/Dog/11702.jpg": "empty file",
            "PetImages/Dog/11853.jpg": ".",
        },
    )
    backslashes = {name.replace("/", "\\"): data for name, data in microsoft.items() if name.endswith("/0.jpg")}
    yield ArchiveCase(
        "Microsoft's archive",
        "with backslashes",
        zip_of(backslashes),
        used=("PetImages/Cat/0.jpg", "PetImages/Dog/0.jpg"),
    )
    for folders, classes in (
        (("CAT", "DOG"), ("cat", "dog")),
        (("cats", "dogs"), ("cat", "dog")),
        (("Cats", "dog"), ("cat", "dog")),
        (("katze", "hund"), ("hund", "katze")),
        (("猫", "犬"), ("犬", "猫")),
        (("кошка", "собака"), ("кошка", "собака")),
        (("gato", "perro"), ("gato", "perro")),
        (("قط", "كلب"), ("قط", "كلب")),
        (("chat chien", "loup"), ("chat chien", "loup")),
        (("A", "a"), ("A", "a")),
        (("0", "1"), ("0", "1")),
        (("NaN", "None"), ("NaN", "None")),
        (("true", "null"), ("null", "true")),
        (("-x", "=1+1"), ("-x", "=1+1")),
        (("cat", "dog", "fox"), ("cat", "dog", "fox")),
        (("1", "2", "10", "3"), ("1", "2", "3", "10")),
        (tuple(f"class {number}" for number in range(30)), tuple(f"class {number}" for number in range(30))),
    ):
        members = {f"{name}/0.png": photo(number) for number, name in enumerate(folders)}
        yield ArchiveCase(
            "class folders", ", ".join(folders[:4]), zip_of(members), classes=classes, used=tuple(members)
        )
    for what, members in {
        "a folder": {"cat/0.png": photo(1), "cat/1.png": photo(2)},
        "Kaggle's names": {"train/cat.0.png": photo(1), "train/cat.1.png": photo(2)},
        "no folder": {"0.png": photo(1), "1.png": photo(2)},
        "one photo": {"cat/0.png": photo(1)},
        "two spellings": {"Cat/0.png": photo(1), "cats/1.png": photo(2)},
    }.items():
        yield ArchiveCase("one class only", what, zip_of(members), refused="At least two are needed")
    yield ArchiveCase(
        "one class only", "no usable photo", zip_of({"cat/0.png": b"", "dog/0.png": b"x"}), refused="None of the images"
    )


def no_archives() -> Iterator[ArchiveCase]:
    """Other things under the name of a zip."""
    for what, data in {
        "text": b"no archive",
        "a web page": b"<html>404</html>",
        "a photo": FILES["jpeg"],
        "a tar": tar_of("train/cat.0.png", photo(1)),
        "a gzip": gzip.compress(b"x", mtime=0),
        "a 7z": b"7z\xbc\xaf\x27\x1c" + bytes(100),
        "a rar": b"Rar!\x1a\7\1\0" + bytes(100),
        "zeros": bytes(10_000),
        "noise": random.Random(17).randbytes(10_000),
    }.items():
        yield ArchiveCase("no archive despite an archive's name", what, data, refused="is no zip file")
