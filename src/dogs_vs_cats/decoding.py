"""From the bytes of an image file to upright pixels of one size: the only place where that happens.

Ingestion and inference both call `decode`, so what a model is served can't differ from what it was trained on.

What becomes of unusual files:

* Greyscale, palette, CMYK, YCCK and 16-bit files become 8-bit RGB (or grey). Of 16 bits the upper eight
  are kept. Embedded colour profiles are not applied, as in Keras.
* Transparent parts are shown on white, as a browser would show them.
* EXIF orientation is applied. Of animations and multi-page files the first picture is taken.
* Aspect is not kept: as in Keras's `flow_from_directory`, the picture is stretched to a square.
* Rejected with a reason: empty, truncated or damaged files, what is not an image, floating-point pixels (they have no
  fixed range), fewer than `MIN_SIDE` pixels on a side, sides more than `MAX_ASPECT` times apart, and more than
  `max_pixels` pixels. Sizes are read from the header, before anything is decoded.
"""

import io
import re
import struct
import threading
import warnings
import zlib
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
import simplejpeg
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

VERSION = 3
"""To be raised with every change that changes pixels: what was decoded before is then decoded again."""

MIN_SIDE = 4
"""Smaller pictures (1x1 tracking pixels, above all) show nothing that could be classified; in pixels."""

MAX_ASPECT = 100
"""A longer side above this many times the shorter one is a damaged header or a ruler, not a photo."""

MAX_SCANS = 100
"""A JPEG with more scans is hostile: each goes through the whole picture again, at the price of a few bytes. Encoders
write a dozen."""

FORMATS = tuple(
    plugin.format
    for plugin in (
        AvifImagePlugin.AvifImageFile,
        BmpImagePlugin.BmpImageFile,
        GifImagePlugin.GifImageFile,
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        PpmImagePlugin.PpmImageFile,
        TiffImagePlugin.TiffImageFile,
        WebPImagePlugin.WebPImageFile,
    )
)
"""Pillow's formats that are tried. Left out on purpose: those that start programs (EPS) or accept half a file."""

_LARGE_PIXELS = 25_000_000
# Pictures above _LARGE_PIXELS are decoded one at a time, so that many threads don't multiply their memory.
_large_picture = threading.Lock()
_no_wait = nullcontext()

# Each thread decodes into the same memory again and again: fresh pages for every picture cost a sixth of the time.
_scratch = threading.local()
_SCRATCH_BYTES = 1 << 22

# Pictures are worked on side by side: threads of OpenCV's own within each would only be in each other's way.
cv2.setNumThreads(1)

# Photos come in a few sizes. What depends on the size alone is worked out once: Python's part of the work is small, but
# all threads wait for each other there.
_once_a_size = lru_cache(maxsize=4096)

# Pillow warns about broken EXIF and odd TIFF tags, which change no pixel and which nobody can mend.
warnings.filterwarnings("ignore", module=r"PIL\.")

_ORIENTATION_TAG = 0x0112

# Start of a scan of 1 to 4 components: marker, length, count. Films behind a photo hold the marker alone by chance.
_SCAN = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")

_SEQUENTIAL_FRAMES = (0xC0, 0xC1, 0xC9)
"""Starts of frames whose scans each have all of a component: baseline, extended, and that arithmetically coded."""

_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PNG_CHUNK = 1 << 20


class ImageRejected(Exception):  # noqa: N818 - it is an answer about a file, not a failure of ours
    """An image file can't be used.

    Attributes:
        reason: Why, in words for the table of rejected images; free of addresses and other run-dependent parts.
        may_pass: Whether the same bytes might be decoded at another time.
    """

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_pass = may_pass


class DecodedImage(NamedTuple):
    """A decoded picture.

    Attributes:
        pixels: uint8 array of shape (image_size, image_size, channels), 0..255, RGB or grey, upright.
        width: Upright width of the file's picture, in pixels.
        height: Upright height of the file's picture, in pixels.
    """

    pixels: np.ndarray
    width: int
    height: int


class _Raw(NamedTuple):
    """A picture as it lies in its file.

    Attributes:
        pixels: uint8 array (height, width, channels), perhaps shrunk.
        factor: How often the sides of `pixels` go into the picture's.
        orientation: From EXIF, 1 to 8.
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
    """

    pixels: np.ndarray
    factor: int
    orientation: int
    width: int
    height: int


def decode(data: bytes, *, image_size: int, channels: int, max_pixels: int) -> DecodedImage:
    """Decodes one image file and resizes it.

    JPEG files, the bulk of all photos, are decoded by libjpeg-turbo, which may shrink by 2, 4 or 8 while decoding as
    long as neither side falls below `image_size`; the outcome differs from a full decode by 0.5 of 255 on average over
    the original-size photos, less than half of what two good filters differ by. Safe to call from many threads, and
    decoding releases the interpreter lock.

    Args:
        data: The whole file.
        image_size: Height and width of the result, in pixels.
        channels: 3 for RGB, 1 for grey.
        max_pixels: Largest allowed width times height.

    Returns:
        The upright pixels and the upright original size.

    Raises:
        ImageRejected: The file is not a usable image; see the module's documentation.
    """
    if not data:
        raise ImageRejected("empty file")
    # Image libraries answer hostile files with nearly every exception there is: each of them rejects the file.
    try:
        if data.startswith(b"\xff\xd8\xff"):
            raw = _decode_jpeg(data, image_size, channels, max_pixels)
        else:
            raw = _decode_other(data, channels, max_pixels)
        extent = raw.height / raw.factor, raw.width / raw.factor
        resized = resize(raw.pixels, image_size, extent, overwrite_input=raw.pixels.flags.writeable)
        square = _upright(resized, raw.orientation)
        # One that had its size already lies where the next picture is decoded.
        square = square.copy() if square.size == raw.pixels.size else np.ascontiguousarray(square)
    except ImageRejected:
        raise
    except MemoryError:
        raise ImageRejected("needs more memory than there is", may_pass=True) from None
    except UnidentifiedImageError:
        raise ImageRejected(f"not an image in a known format ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError:
        raise ImageRejected("too large: more pixels than Pillow ever decodes") from None
    except Exception as error:
        raise ImageRejected(_reason(error)) from None
    if raw.orientation >= 5:
        return DecodedImage(square, raw.height, raw.width)
    return DecodedImage(square, raw.width, raw.height)


def resize(
    pixels: np.ndarray,
    image_size: int,
    extent: tuple[float, float] | None = None,
    *,
    overwrite_input: bool = False,
) -> np.ndarray:
    """Stretches a picture to a square without aliasing; every image of the project goes through here.

    First the picture is shrunk by the `shrink_factor`, averaging areas (JPEG files come shrunk from the decoder); an
    axis that is still four times too long or more is averaged to twice the wanted length. Then each axis is smoothed
    as it needs (see `_smoothing`), and interpolated linearly to its length. On photos the outcome lies 0.8 of 255 from
    Pillow's antialiased bilinear filter; without smoothing it would be 2.2.

    Args:
        pixels: uint8 array of shape (height, width, channels).
        image_size: Height and width of the result, in pixels.
        extent: Height and width of the picture within `pixels`, in its pixels; None for all of it. A decoder that
            halves five pixels gives three, the last of which is half outside.
        overwrite_input: Whether `pixels` may be changed on the way: less memory is then gone through.

    Returns:
        uint8 array of shape (image_size, image_size, channels); `pixels` itself if it already has that size.
    """
    length, breadth, channels = pixels.shape
    area, smoothing, factors = _resizing(length, breadth, extent or (length, breadth), image_size)
    if area:
        pixels = cv2.resize(pixels, area, interpolation=cv2.INTER_AREA)
    if smoothing:
        across, down = smoothing
        target = pixels if overwrite_input or area else None
        pixels = cv2.sepFilter2D(pixels, -1, across, down, target, borderType=cv2.BORDER_REPLICATE)
    if factors:
        # Given factors instead of a size, OpenCV keeps to them exactly; what lies outside the extent is cut off.
        x_factor, y_factor = factors
        pixels = cv2.resize(pixels, None, fx=x_factor, fy=y_factor, interpolation=cv2.INTER_LINEAR)
    return pixels[:image_size, :image_size].reshape(image_size, image_size, channels)


class _Resizing(NamedTuple):
    """The steps of a resize, in their order; None for those that a picture doesn't need.

    Attributes:
        area: Width and height to which areas are averaged.
        smoothing: Kernels for rows and for columns.
        factors: By which width and height are then interpolated.
    """

    area: tuple[int, int] | None
    smoothing: tuple[np.ndarray, np.ndarray] | None
    factors: tuple[float, float] | None


@_once_a_size
def _resizing(length: int, breadth: int, extent: tuple[float, float], image_size: int) -> _Resizing:
    """Plans how pixels (length, breadth) become a square; `extent` as in `resize`."""
    height, width = extent
    factor = shrink_factor(length, breadth, image_size)
    limit, double = 4 * image_size, 2 * image_size
    new_length, new_breadth = -(-length // factor), -(-breadth // factor)
    new_length = new_length if new_length < limit else double
    new_breadth = new_breadth if new_breadth < limit else double
    area = None
    if (new_length, new_breadth) != (length, breadth):
        area = new_breadth, new_length
        height, width = height * new_length / length, width * new_breadth / breadth
    if height == width == image_size:
        return _Resizing(area, None, None)
    smoothing = None
    if height > image_size or width > image_size:
        smoothing = _smoothing(width / image_size), _smoothing(height / image_size)
    return _Resizing(area, smoothing, (image_size / width, image_size / height))


def _smoothing(factor: float) -> np.ndarray:
    """The kernel that smooths an axis before it is interpolated linearly to a length shorter by a factor.

    Pillow's antialiased bilinear filter weighs a pixel's surroundings by a triangle that reaches s pixels far, s being
    the factor; its variance is s²/6. Linear interpolation is such a triangle for s = 1, so (s² - 1)/6 is left to the
    smoothing: the variance, for a whole s, of the weights (s - |i|)/s². In between, the two nearest are mixed.

    Args:
        factor: Positive. What isn't made shorter isn't smoothed either.

    Returns:
        float32 weights, an odd number of them, that add up to 1.
    """
    if factor <= 1:
        # Two idle weights: OpenCV is half as fast with one alone.
        return np.array([0, 1, 0], np.float32)
    near = int(factor)
    far = near + 1
    share = (factor**2 - near**2) / (far**2 - near**2)
    distance = np.abs(np.arange(-near, far))
    weights = share * (far - distance) / far**2 + (1 - share) * np.maximum(near - distance, 0) / near**2
    return weights.astype(np.float32)


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Turns RGB into grey (ITU-R BT.601 luma, as JPEG and Pillow have it) or grey into RGB, where that is needed.

    Args:
        pixels: uint8 array of shape (height, width, 1 or 3).
        channels: 3 for RGB, 1 for grey.

    Returns:
        uint8 array of shape (height, width, channels); `pixels` itself if it already has them.
    """
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., np.newaxis]


@_once_a_size
def shrink_factor(height: int, width: int, image_size: int) -> int:
    """Returns the largest of 1, 2, 4 and 8 that leaves both sides, divided by it, at least `image_size` pixels."""
    shorter = min(height, width)
    return next((factor for factor in (8, 4, 2) if -(-shorter // factor) >= image_size), 1)


@_once_a_size
def _check_size(width: int, height: int, max_pixels: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise ImageRejected(f"too small: {width}x{height} pixels, at least {MIN_SIDE} a side are needed")
    if width * height > max_pixels:
        raise ImageRejected(f"too large: {width}x{height} pixels, at most {max_pixels} in all are allowed")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageRejected(f"not a photo's shape: {width}x{height} pixels, sides more than {MAX_ASPECT} times apart")


def _decode_jpeg(data: bytes, image_size: int, channels: int, max_pixels: int) -> _Raw:
    """Decodes a JPEG file, shrunk if the result is to be much smaller."""
    if data[6:11] == b"JFIF\0" and data[11] != 1:
        # A revision nobody ever issued is the one warning of libjpeg's that says nothing about the picture. Mended
        # rather than ignored, because only the first warning is told and could hide a truncated file.
        data = data[:11] + b"\x01\x01" + data[13:]
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        if "subsampling" in str(error):  # a rare one that only libjpeg's older interface decodes, or half a header
            return _decode_other(data, channels, max_pixels)
        raise
    _check_size(width, height, max_pixels)
    has_exif, has_one_scan = _read_segments(data)
    if not has_one_scan and (scans := len(_SCAN.findall(data))) > MAX_SCANS:
        raise ImageRejected(f"would take too long: {scans} scans, at most {MAX_SCANS} are decoded")
    inks = colorspace in ("CMYK", "YCCK")
    factor = 1 if inks else shrink_factor(height, width, image_size)
    with _large_picture if width * height > _LARGE_PIXELS else _no_wait:
        shrunk_height, shrunk_width = -(-height // factor), -(-width // factor)
        pixels = _strict_jpeg(
            data,
            colorspace="CMYK" if inks else "RGB" if channels == 3 else "GRAY",
            min_height=shrunk_height,
            min_width=shrunk_width,
            # Half as fine as luma in most files, chroma of a shrunk picture is as fine: nothing is to be interpolated.
            fastupsample=factor > 1,
            buffer=_memory(shrunk_height * shrunk_width * (4 if inks else channels)),
        )
        if inks:
            # Only Pillow knows how inks become colours; the strict decode above made sure that the file is whole.
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                return _Raw(_to_array(image, channels), 1, _orientation(image), width, height)
    orientation = 1
    if has_exif:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            orientation = _orientation(image)
    return _Raw(pixels, factor, orientation, width, height)


def _read_segments(data: bytes) -> tuple[bool, bool]:
    """Looks at what comes before a JPEG file's pixels, 20 times as fast as opening it with Pillow.

    Returns:
        Whether there is an EXIF segment; and whether one scan has the whole picture, as in all but progressive files:
        libjpeg refuses a second one then. Where the segments can't be followed, the latter isn't known, and False.
    """
    at, has_exif, components = 2, False, 0
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xDA:
            return has_exif, data[at + 4] == components
        if marker == 0xE1:
            has_exif = has_exif or data.startswith(b"Exif\0\0", at + 4)
        elif marker in _SEQUENTIAL_FRAMES:
            components = data[at + 9]
        at += 2 + (data[at + 2] << 8) + data[at + 3]
    return has_exif, False


def _strict_jpeg(data: bytes, **options: Any) -> np.ndarray:
    """Decodes with every warning of libjpeg's as an error, but for one that can't concern the picture.

    Superfluous bytes before the end marker (0xd9) come after the last pixel. As the first warning counts, nothing was
    amiss before them, and nothing comes after them. Many photos of the Microsoft version of the data set have them.
    """
    try:
        return simplejpeg.decode_jpeg(data, **options)
    except ValueError as error:
        if "extraneous bytes before marker 0xd9" not in str(error):
            raise
        return simplejpeg.decode_jpeg(data, strict=False, **options)


def _memory(size: int) -> np.ndarray | None:
    """Returns memory of this thread's for a picture of so many bytes; None where it is too large to be kept."""
    if size > _SCRATCH_BYTES:
        return None
    if not hasattr(_scratch, "memory"):
        _scratch.memory = np.empty(_SCRATCH_BYTES, np.uint8)
    return _scratch.memory


def _decode_other(data: bytes, channels: int, max_pixels: int) -> _Raw:
    """Decodes anything but ordinary JPEG."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        _check_size(width, height, max_pixels)
        if image.format == "PNG":
            _check_png(data)
        # Pillow is content with it as soon as the first picture is there.
        if image.format == "GIF" and not data.rstrip(b"\0").endswith(b";"):
            raise ImageRejected("truncated: the end of the file is missing")
        with _large_picture if width * height > _LARGE_PIXELS else _no_wait:
            pixels = _to_array(image, channels)
        height, width, _ = pixels.shape
        return _Raw(pixels, 1, _orientation(image), width, height)


def _check_png(data: bytes) -> None:
    """Refuses what Pillow puts up with in a PNG file: wrong checksums, and missing rows, which it shows as black."""
    view = memoryview(data)
    at, end, rows, missing = 8, False, zlib.decompressobj(), -1
    while not end and at + 12 <= len(view):
        kind = bytes(view[at + 4 : at + 8])
        after = at + 8 + int.from_bytes(view[at : at + 4], "big")
        if after + 4 > len(view):
            break
        # Chunks in lower case hold remarks, which may be as damaged as they like.
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


def _to_array(image: Image.Image, channels: int) -> np.ndarray:
    """Turns a picture of any mode of Pillow's into a uint8 array (height, width, channels)."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        if image.mode == "F":
            raise ImageRejected("floating-point pixels, which have no fixed range")
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 0xFFFF:
            raise ImageRejected("32-bit pixels, which have no fixed range")
        image = Image.fromarray((deep >> 8).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    return pixels if channels == 3 else pixels[..., np.newaxis]


def _orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 where there is none, or none that can be understood."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # broken EXIF raises anything, and the picture is good without it
        return 1
    return orientation if orientation in range(1, 9) else 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes an EXIF orientation (Exif 2.3, tag 0x0112) on an array (height, width, channels)."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _reason(error: Exception) -> str:
    """Words a library's error for the table of rejected images: one line, the same in every run."""
    text = re.sub(r"<[^>]*>", "", " ".join(str(error).split())) or type(error).__name__
    if re.search("truncated|premature end of jpeg|insufficient image data|empty input", text, re.IGNORECASE):
        return "truncated: the end of the file is missing"
    return f"damaged: {text}"
