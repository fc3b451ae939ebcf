"""Every kind of file becomes the right pixels, or is rejected with the right reason."""

import io
import struct
import zipfile
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
import simplejpeg
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from dogs_vs_cats.images.decoding import DecodedImage, Fit, ImageRejected, decode
from dogs_vs_cats.images.decoding.resizing import BAR, resize, shrink_factor, to_channels
from dogs_vs_cats.images.decoding.sixteen_bit import needed_bits
from tests.conftest import PROJECT

WIDTH, HEIGHT, SIZE = 96, 64, 24
COLOURS = {
    "top left": (200, 40, 60),
    "top right": (30, 160, 70),
    "bottom left": (40, 70, 190),
    "bottom right": (230, 210, 90),
}


TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""Transforms an upright picture so that a viewer shows it upright under this EXIF orientation."""


def quadrants() -> np.ndarray:
    """Four colours, no two corners alike: shows wrong colours, turns and mirrorings."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[: HEIGHT // 2, : WIDTH // 2] = COLOURS["top left"]
    picture[: HEIGHT // 2, WIDTH // 2 :] = COLOURS["top right"]
    picture[HEIGHT // 2 :, : WIDTH // 2] = COLOURS["bottom left"]
    picture[HEIGHT // 2 :, WIDTH // 2 :] = COLOURS["bottom right"]
    return picture


def encoded(image: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes, size: int = SIZE, channels: int = 3, max_pixels: int = 1_000_000) -> DecodedImage:
    return decode(data, image_size=size, channels=channels, max_pixels=max_pixels)


def corners(pixels: np.ndarray) -> dict[str, tuple[int, ...]]:
    near, far = len(pixels) // 4, 3 * len(pixels) // 4
    places = {
        "top left": (near, near),
        "top right": (near, far),
        "bottom left": (far, near),
        "bottom right": (far, far),
    }
    return {name: tuple(pixels[place].tolist()) for name, place in places.items()}


def ycck() -> bytes:
    """A YCCK file, which no encoder at hand writes: inks as YCbCr, stored as they are, and the marker changed."""
    inks = Image.fromarray(255 - quadrants()).convert("YCbCr")
    stored = np.dstack([255 - np.asarray(inks), np.zeros((HEIGHT, WIDTH), np.uint8)])
    data = bytearray(encoded(Image.frombytes("CMYK", (WIDTH, HEIGHT), stored.tobytes()), "JPEG", quality=95))
    marker = data.index(b"Adobe")
    assert data[marker + 11] == 0
    data[marker + 11] = 2
    return bytes(data)


def opencv(suffix: str, picture: np.ndarray) -> bytes:
    return cv2.imencode(suffix, picture[..., ::-1] if picture.ndim == 3 else picture)[1].tobytes()


def heic(name: str) -> bytes:
    """A HEIC file of the four colours. No encoder is at hand: pillow-heif 1.8 wrote them once, at 4:4:4."""
    return (Path(__file__).parent / "heic" / f"{name}.heic").read_bytes()


def files() -> dict[str, bytes]:
    rgb = Image.fromarray(quadrants())
    others = [rgb.rotate(180), rgb.convert("L").convert("RGB")]
    deep = quadrants().astype(np.uint16) * 257
    return {
        "jpeg": encoded(rgb, "JPEG", quality=95),
        "jpeg 4:4:4": encoded(rgb, "JPEG", quality=95, subsampling=0),
        "jpeg progressive": encoded(rgb, "JPEG", quality=95, progressive=True),
        "jpeg rgb": encoded(rgb, "JPEG", quality=95, keep_rgb=True),
        "jpeg cmyk": encoded(rgb.convert("CMYK"), "JPEG", quality=95),
        "jpeg cmyk progressive": encoded(rgb.convert("CMYK"), "JPEG", quality=95, progressive=True),
        "jpeg ycck": ycck(),
        "mpo": encoded(rgb, "MPO", quality=95, save_all=True, append_images=others),
        "png": encoded(rgb, "PNG"),
        "png palette": encoded(rgb.quantize(8), "PNG"),
        "png opaque alpha": encoded(rgb.convert("RGBA"), "PNG"),
        "png 16 bit": opencv(".png", deep),
        "png animated": encoded(rgb, "PNG", save_all=True, append_images=others),
        "gif": encoded(rgb, "GIF"),
        "gif animated": encoded(rgb, "GIF", save_all=True, append_images=others),
        "bmp": encoded(rgb, "BMP"),
        "webp": encoded(rgb, "WEBP", quality=95),
        "webp lossless": encoded(rgb, "WEBP", lossless=True),
        "webp animated": encoded(rgb, "WEBP", quality=95, save_all=True, append_images=others),
        "avif": encoded(rgb, "AVIF", quality=95),
        "heic": heic("8_bit"),
        "heic 10 bit": heic("10_bit"),
        "heic turned": heic("turned"),
        "tiff": encoded(rgb, "TIFF"),
        "tiff packed": encoded(rgb, "TIFF", compression="tiff_lzw"),
        "tiff 16 bit": opencv(".tiff", deep),
        "tiff cmyk": encoded(rgb.convert("CMYK"), "TIFF"),
        "ppm": encoded(rgb, "PPM"),
    }


FILES = files()


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_becomes_its_known_pixels(kind: str) -> None:
    image = decoded(FILES[kind])
    assert (image.width, image.height) == (WIDTH, HEIGHT)
    assert image.pixels.shape == (SIZE, SIZE, 3)
    assert image.pixels.dtype == np.uint8
    for corner, colour in corners(image.pixels).items():
        np.testing.assert_allclose(colour, COLOURS[corner], atol=6, err_msg=f"{kind}, {corner}")
    grey = decoded(FILES[kind], channels=1)
    assert grey.pixels.shape == (SIZE, SIZE, 1)
    for corner, (luma,) in corners(grey.pixels).items():
        assert luma == pytest.approx(np.dot(COLOURS[corner], (0.299, 0.587, 0.114)), abs=4), f"{kind}, {corner}"


def grey_files() -> dict[str, bytes]:
    ramp = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))
    return {
        "jpeg": encoded(ramp, "JPEG", quality=98),
        "png": encoded(ramp, "PNG"),
        "png 16 bit": encoded(Image.fromarray(ramp.astype(np.uint16) * 257), "PNG"),
        "tiff 16 bit": encoded(Image.fromarray(ramp.astype(np.uint16) * 257), "TIFF"),
        "tiff 32 bit": encoded(Image.fromarray(ramp.astype(np.int32) * 257), "TIFF"),
        "pgm 16 bit": b"P5 32 32 65535\n" + (ramp.astype(">u2") * 257).astype(">u2").tobytes(),
    }


@pytest.mark.parametrize("kind", grey_files())
def test_grey_files_keep_their_greys(kind: str) -> None:
    pixels = decoded(grey_files()[kind], size=32).pixels
    assert (pixels[..., 0] == pixels[..., 1]).all()
    np.testing.assert_allclose(pixels[16, :, 0], np.arange(0, 256, 8), atol=3)


BITS = (8, 10, 12, 14, 16)


def deep_files(bits: int) -> dict[str, bytes]:
    """Files with 16 bits a sample that use only some of them, of every kind that says nothing about it."""
    colour = (quadrants() * ((2**bits - 1) / 255)).astype(np.uint16)
    grey = np.ascontiguousarray(colour[..., 0])
    big, little = (encoded(Image.fromarray(grey.astype(order)), "TIFF") for order in (">u2", "<u2"))
    opaque = np.full((HEIGHT, WIDTH, 1), 65535, np.uint16)
    with_alpha = np.concatenate([colour, opaque], axis=2)
    return {
        "grey png": encoded(Image.fromarray(grey), "PNG"),
        "grey tiff": little,
        "grey tiff big endian": big,
        "grey tiff 32 bit": encoded(Image.fromarray(grey.astype(np.int32)), "TIFF"),
        "grey pgm": b"P5 96 64 65535\n" + grey.astype(">u2").tobytes(),
        "grey png with alpha": deep_png(np.stack([grey, opaque[..., 0]], axis=2), 4),
        "png": opencv(".png", colour),
        "png with alpha": deep_png(with_alpha, 6),
        "tiff": cv2.imencode(".tiff", colour[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 1])[1].tobytes(),
        "tiff packed": cv2.imencode(".tiff", colour[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes(),
        "ppm": b"P6 96 64 65535\n" + colour.astype(">u2").tobytes(),
    }


def png_chunk(name: bytes, content: bytes) -> bytes:
    """A chunk with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file of these chunks."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, content) for name, content in chunks)


def png_header(width: int, height: int, bits: int = 8, colours: int = 2, interlace: int = 0) -> tuple[bytes, bytes]:
    """The first chunk of a PNG file."""
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, interlace)


END = (b"IEND", b"")


def deep_png(samples: np.ndarray, colours: int) -> bytes:
    """A PNG file with 16 bits a sample in any number of channels."""
    height, width, _ = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return png(png_header(width, height, 16, colours), (b"IDAT", zlib.compress(rows)), END)


def interlaced_png(pixels: np.ndarray, missing_bytes: int = 0) -> bytes:
    """An RGB PNG file interlaced by Adam7, whose checksums are right even where its last rows are missing."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b"".join(b"\0" + row.tobytes() for x, y, dx, dy in passes for row in pixels[y::dy, x::dx])
    height, width, _ = pixels.shape
    compressed = zlib.compress(rows[: len(rows) - missing_bytes])
    return png(png_header(width, height, interlace=1), (b"IDAT", compressed), END)


def tiff_of(data: bytes, **tags: int | tuple[int, ...]) -> bytes:
    """A TIFF file of pixels and the tags that are given by number (`t256=96`)."""
    numbers = {int(name[1:]): value if isinstance(value, tuple) else (value,) for name, value in tags.items()}
    entries, more, at = b"", b"", 8 + len(data)
    for tag, values in sorted(numbers.items()):
        field = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            more, field = more + field, struct.pack("<I", at + len(more))
        entries += struct.pack("<HHI", tag, 4, len(values)) + field
    directory = struct.pack("<H", len(numbers)) + entries + bytes(4)
    return struct.pack("<2sHI", b"II", 42, at + len(more)) + data + more + directory


def grey_tiff(
    samples: np.ndarray, bits: int, photometric: int = 1, packed: bytes | None = None, sample_format: int = 1
) -> bytes:
    """An uncompressed TIFF file of one strip, as Pillow doesn't write it."""
    height, width = samples.shape
    data = samples.astype(samples.dtype.newbyteorder("<")).tobytes() if packed is None else packed
    size = {"t256": width, "t257": height, "t278": height, "t279": len(data)}
    return tiff_of(data, **size, t258=bits, t259=1, t262=photometric, t273=8, t277=1, t339=sample_format)


def rgb_tiff(samples: np.ndarray, orientation: int = 1, planes: bool = False) -> bytes:
    """An uncompressed TIFF file with 16 bits a sample, from (height, width, 3): interleaved or in three planes."""
    height, width, _ = samples.shape
    data = (samples.transpose(2, 0, 1) if planes else samples).astype("<u2").tobytes()
    strips = 3 if planes else 1
    sizes = (len(data) // strips,) * strips
    starts = tuple(8 + sizes[0] * number for number in range(strips))
    layout = {"t256": width, "t257": height, "t278": height, "t273": starts, "t279": sizes, "t284": 2 if planes else 1}
    return tiff_of(data, **layout, t258=(16, 16, 16), t259=1, t262=2, t274=orientation, t277=3)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("kind", deep_files(8))
def test_sixteen_bit_files_are_read_at_the_depth_of_their_source(kind: str, bits: int) -> None:
    image = decode(deep_files(bits)[kind], image_size=SIZE, channels=3, max_pixels=10**6, bit_depth=bits)
    for corner, colour in corners(image.pixels).items():
        wanted = (COLOURS[corner][0],) * 3 if kind.startswith("grey") else COLOURS[corner]
        np.testing.assert_allclose(colour, wanted, atol=1, err_msg=corner)
    assert needed_bits(image.deeper) == bits


@pytest.mark.parametrize("kind", deep_files(8))
def test_a_sixteen_bit_file_of_unknown_depth_is_used_only_if_it_needs_all_bits(kind: str) -> None:
    for bits in (8, 10, 12, 14):
        with pytest.raises(ImageRejected, match=rf"only {bits} bits.*Set ingestion\.bit_depth to {bits} or 16"):
            decoded(deep_files(bits)[kind])
    assert needed_bits(decoded(deep_files(16)[kind]).deeper) == 16


def test_a_few_outliers_are_clipped_and_many_are_refused() -> None:
    samples = np.full((100, 100), 2048, np.uint16)
    samples[10:15, 10:20] = 65535
    clipped = decode(
        encoded(Image.fromarray(samples), "PNG"), image_size=100, channels=1, max_pixels=10**6, bit_depth=12
    )
    assert (clipped.pixels[10:15, 10:20] == 255).all()
    assert clipped.pixels[50, 50, 0] == 128
    samples[:50] = 65535
    with pytest.raises(ImageRejected, match=r"50% of its 16-bit pixels are above 4095: .*\(ingestion\.bit_depth\)"):
        decode(encoded(Image.fromarray(samples), "PNG"), image_size=100, channels=1, max_pixels=10**6, bit_depth=12)


def test_a_depth_that_a_file_declares_comes_before_that_of_its_source() -> None:
    grey = quadrants()[..., 0].astype(np.uint16) * 16
    pairs = grey.reshape(-1, 2)
    packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1)
    for data in (
        grey_tiff(grey, 12, packed=packed.astype(np.uint8).tobytes()),
        b"P5 96 64 4095\n" + grey.astype(">u2").tobytes(),
        b"P2 96 64 4095\n" + " ".join(map(str, grey.ravel())).encode(),
    ):
        for bit_depth in (None, 8, 14):
            image = decode(data, image_size=SIZE, channels=1, max_pixels=10**6, bit_depth=bit_depth)
            for corner, colour in corners(image.pixels).items():
                assert colour[0] == pytest.approx(COLOURS[corner][0], abs=1)
            assert image.deeper == ()


def test_white_may_be_zero() -> None:
    grey = 4095 - quadrants()[..., 0].astype(np.uint16) * 16
    image = decode(grey_tiff(grey, 16, photometric=0), image_size=SIZE, channels=1, max_pixels=10**6, bit_depth=12)
    for corner, colour in corners(image.pixels).items():
        assert colour[0] == pytest.approx(COLOURS[corner][0], abs=1)


@pytest.mark.parametrize(
    "data",
    [
        grey_tiff(np.full((20, 20), -5, np.int8), 8, sample_format=2),
        grey_tiff(np.full((20, 20), -5, np.int16), 16, sample_format=2),
        grey_tiff(np.full((20, 20), 0.5, np.float16), 16, sample_format=3),
        grey_tiff(np.full((20, 20), 0.5, np.float32), 32, sample_format=3),
        grey_tiff(np.full((20, 20), 0.5, np.float64), 64, sample_format=3),
        grey_tiff(np.full((20, 20), 2**31, np.uint32), 32),
        rgb_tiff(quadrants().astype(np.uint16) * 257, planes=True),
    ],
)
def test_pixels_without_a_range_are_rejected_with_what_to_do(data: bytes) -> None:
    with pytest.raises(ImageRejected, match=r"unsupported pixels \(only unsigned integers .*: save .* as a PNG file"):
        decode(data, image_size=SIZE, channels=3, max_pixels=10**6, bit_depth=16)


def test_an_interlaced_png_is_used_whole_and_refused_without_its_last_bytes() -> None:
    whole = interlaced_png(quadrants())
    assert corners(decoded(whole).pixels) == corners(decoded(encoded(quadrants(), "PNG")).pixels)
    for missing_bytes in (1, 30, 3 * WIDTH):
        with pytest.raises(ImageRejected, match=r"^truncated"):
            decoded(interlaced_png(quadrants(), missing_bytes))


@pytest.mark.parametrize("orientation", TURNS)
def test_sixteen_bit_colours_are_turned_once(orientation: int) -> None:
    picture = Image.fromarray(quadrants())
    turn = TURNS[orientation]
    stored = np.asarray(picture if turn is None else picture.transpose(turn)).astype(np.uint16) * 257
    image = decoded(rgb_tiff(stored, orientation))
    assert (image.width, image.height) == (WIDTH, HEIGHT)
    for corner, colour in corners(image.pixels).items():
        np.testing.assert_allclose(colour, COLOURS[corner], atol=1, err_msg=corner)


def test_sixteen_bit_transparency_is_shown_on_white() -> None:
    samples = np.full((HEIGHT, WIDTH, 4), 1000, np.uint16)
    samples[..., 3] = 65535
    samples[: HEIGHT // 2, :, 3] = 0
    image = decode(deep_png(samples, 6), image_size=SIZE, channels=3, max_pixels=10**6, bit_depth=12)
    assert corners(image.pixels)["top left"] == (255,) * 3
    assert corners(image.pixels)["bottom left"] == (1000 >> 4,) * 3


def test_black_and_white_files() -> None:
    picture = Image.fromarray(quadrants()[..., 0] > 100).convert("1")
    assert corners(decoded(encoded(picture, "PNG")).pixels) == {
        "top left": (255,) * 3,
        "top right": (0,) * 3,
        "bottom left": (0,) * 3,
        "bottom right": (255,) * 3,
    }


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_shown_on_white(kind: str) -> None:
    picture = np.dstack([quadrants(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    picture[: HEIGHT // 2, : WIDTH // 2, 3] = 0
    picture[HEIGHT // 2 :, WIDTH // 2 :, 3] = 51
    options = {"lossless": True} if kind == "WEBP" else {}
    found = corners(decoded(encoded(picture, kind, **options)).pixels)
    assert found["top left"] == (255, 255, 255)
    assert found["top right"] == COLOURS["top right"]
    np.testing.assert_allclose(found["bottom right"], 0.2 * np.array(COLOURS["bottom right"]) + 0.8 * 255, atol=1)


def test_transparent_palette_and_grey() -> None:
    palette = Image.fromarray(quadrants()).quantize(4)
    hidden = palette.getpixel((0, 0))
    found = corners(decoded(encoded(palette, "PNG", transparency=hidden)).pixels)
    assert found["top left"] == (255, 255, 255)
    assert found["bottom right"] == COLOURS["bottom right"]
    grey = Image.merge("LA", [Image.new("L", (8, 8), 50), Image.new("L", (8, 8), 0)])
    assert decoded(encoded(grey, "PNG"), size=8).pixels.min() == 255


def test_grey_and_transparent_heic_photos() -> None:
    for name in ("grey", "grey_10_bit"):
        for corner, colour in corners(decoded(heic(name)).pixels).items():
            np.testing.assert_allclose(colour, (COLOURS[corner][0],) * 3, atol=4, err_msg=f"{name}, {corner}")
    found = corners(decoded(heic("alpha")).pixels)
    assert found["top left"] == (255,) * 3
    np.testing.assert_allclose(found["bottom right"], COLOURS["bottom right"], atol=4)


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (65_000, 65_000, "too large: 65000x65000 pixels, ingestion.max_pixels"),
        (3, 64, "too small: 3x64 pixels, ingestion.min_side"),
        (960, 640, "Decoded image does not have the size signaled"),
        (48, 32, "Decoded image does not have the size signaled"),
        (4, 4, "Security limit exceeded"),
        (0, 0, "Zero image width"),
    ],
)
def test_a_heic_photo_that_lies_about_its_size_is_rejected(width: int, height: int, reason: str) -> None:
    data = bytearray(heic("8_bit"))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", width, height)
    with pytest.raises(ImageRejected, match=reason):
        decoded(bytes(data))


def test_heic_photos_that_crash_the_decoder_are_rejected_and_nothing_else_happens() -> None:
    crashing = heic("turned").replace(b"Exif", b"\xa8xif", 1)
    with pytest.raises(ImageRejected, match="the HEIC decoder crashed"):
        decoded(crashing)
    outcomes: Counter[object] = Counter()
    for seed in range(60):
        random = Random(seed)
        data = bytearray(heic(random.choice(["8_bit", "10_bit", "turned", "alpha", "grey"])))
        for _ in range(random.randint(1, 8)):
            data[random.randrange(len(data))] = random.randrange(256)
        try:
            outcomes[decoded(bytes(data)).pixels.shape] += 1
        except ImageRejected as rejected:
            assert "\n" not in rejected.reason  # noqa: PT017 - either outcome is fine
            outcomes[rejected.reason.partition(":")[0]] += 1
    assert outcomes.total() == 60
    assert outcomes["damaged"] > 5


def test_a_photo_is_turned_whatever_its_earlier_segments_hold() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = encoded(Image.fromarray(quadrants()).transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)
    # A colour profile with the bytes of a scan's start, before the EXIF segment.
    profile = b"ICC_PROFILE\0\1\1" + b"\xff\xda\x00\x0c" * 8
    segment = b"\xff\xe2" + (len(profile) + 2).to_bytes(2, "big") + profile
    image = decoded(stored[:2] + segment + stored[2:])
    for corner, colour in corners(image.pixels).items():
        np.testing.assert_allclose(colour, COLOURS[corner], atol=6, err_msg=corner)


def test_superfluous_bytes_before_the_end_of_a_jpeg_cost_nothing() -> None:
    data = FILES["jpeg"]
    assert data.endswith(b"\xff\xd9")
    with_more = data[:-2] + bytes(range(1, 66)) + data[-2:]
    with pytest.raises(ValueError, match="extraneous bytes before marker 0xd9"):
        simplejpeg.decode_jpeg(with_more)
    np.testing.assert_array_equal(decoded(with_more).pixels, decoded(data).pixels)


def test_an_unknown_jfif_revision_costs_nothing_and_hides_nothing() -> None:
    data = FILES["jpeg"]
    assert data[6:13] == b"JFIF\0\x01\x01"
    odd = data[:11] + b"\0\0" + data[13:]
    with pytest.raises(ValueError, match="unknown JFIF revision"):
        simplejpeg.decode_jpeg(odd)
    np.testing.assert_array_equal(decoded(odd).pixels, decoded(data).pixels)
    with pytest.raises(ImageRejected, match="truncated"):
        decoded(odd[: len(odd) // 2])


@pytest.mark.parametrize("kind", ["jpeg", "jpeg 4:4:4", "jpeg cmyk", "jpeg ycck"])
def test_a_jpeg_that_ends_early_but_properly_is_rejected(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    data = encoded(image.convert("CMYK") if "c" in kind[5:] else image, "JPEG")
    with pytest.raises(ImageRejected, match="damaged"):
        decoded(data[: len(data) * 2 // 3] + b"\xff\xd9")


@settings(max_examples=150)
@given(
    kind=st.sampled_from(sorted(FILES)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_a_damaged_file_is_decoded_or_rejected_and_nothing_else(kind: str, changes: list[tuple[float, int]]) -> None:
    data = bytearray(FILES[kind])
    for place, value in changes:
        data[int(place * len(data))] = value
    try:
        image = decoded(bytes(data))
    except ImageRejected as rejected:
        assert rejected.reason  # noqa: PT017 - either outcome is fine
    else:
        assert image.pixels.shape == (SIZE, SIZE, 3)


@settings(max_examples=100)
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM"])
)
def test_noise_is_rejected(noise: bytes, start: bytes) -> None:
    with pytest.raises(ImageRejected):
        decoded(start + noise)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(3 * x / width + 5 * y / height), np.cos(7 * x / width), np.sin(6 * y / height - 2 * x / width)]
    return np.rint(127.5 + 110 * np.stack(waves, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 50), (33, 33), (47, 90), (64, 64), (130, 129), (700, 40)])
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_agrees_with_pillows_antialiased_filter(height: int, width: int, channels: int) -> None:
    picture = smooth(height, width)[..., :channels]
    found = resize(picture, 32)
    assert found.shape == (32, 32, channels)
    for channel in range(channels):
        wanted = Image.fromarray(picture[..., channel]).resize((32, 32), Image.Resampling.BILINEAR)
        assert np.abs(found[..., channel].astype(int) - np.asarray(wanted)).mean() < 1.5


@settings(max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 40), st.integers(0, 255))
def test_resizing_one_colour_leaves_it(height: int, width: int, size: int, colour: int) -> None:
    found = resize(np.full((height, width, 3), colour, np.uint8), size)
    assert found.shape == (size, size, 3)
    assert (found == colour).all()


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize(picture, 24), picture)
    np.testing.assert_array_equal(decoded(encoded(picture, "PNG")).pixels, picture)


@pytest.mark.parametrize(("height", "width"), [(24, 24), (40, 30), (200, 31)])
def test_resizing_leaves_its_input_unchanged(height: int, width: int) -> None:
    picture = smooth(height, width)
    before = picture.copy()
    resize(picture, 24)
    np.testing.assert_array_equal(picture, before)


def test_channels() -> None:
    picture = quadrants()
    np.testing.assert_array_equal(to_channels(picture, 1)[..., 0], np.asarray(Image.fromarray(picture).convert("L")))
    np.testing.assert_array_equal(to_channels(picture[..., :1], 3), np.repeat(picture[..., :1], 3, axis=2))


BANDS = {"red": (0, 16), "green": (16, 80), "blue": (80, 96)}
"""Columns of a picture of 64 rows whose central square is green."""


def bands() -> np.ndarray:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for channel, (start, end) in enumerate(BANDS.values()):
        picture[:, start:end, channel] = 255
    return picture


def fitted(data: bytes | np.ndarray, fit: Fit, size: int, **options: int) -> np.ndarray:
    return decode(data, image_size=size, max_pixels=10**8, fit=fit, **{"channels": 3, "min_side": 1, **options}).pixels


@pytest.mark.parametrize("tall", [False, True])
def test_an_image_becomes_a_square_as_the_fit_says(tall: bool) -> None:
    picture = bands()
    padded = np.full((WIDTH, WIDTH, 3), BAR, np.uint8)
    padded[16:80] = picture
    cropped = picture[:, 16:80]
    if tall:
        picture, padded, cropped = (array.transpose(1, 0, 2).copy() for array in (picture, padded, cropped))
    png, jpeg = encoded(picture, "PNG"), encoded(picture, "JPEG", quality=98, subsampling=0)
    for data in (picture, png):
        np.testing.assert_array_equal(fitted(data, "crop", HEIGHT), cropped)
        np.testing.assert_array_equal(fitted(data, "pad", WIDTH), padded)
    # Both shrink while decoding; the edges between colours blur.
    small_crop, small_pad = fitted(jpeg, "crop", 16), fitted(jpeg, "pad", 24)
    np.testing.assert_allclose(small_crop[2:-2, 2:-2], np.tile((0, 255, 0), (12, 12, 1)), atol=8)
    bars = small_pad[:, [0, 1, 2, 3, 20, 21, 22, 23]] if tall else small_pad[[0, 1, 2, 3, 20, 21, 22, 23]]
    assert (bars == BAR).all()
    np.testing.assert_allclose(small_pad[8:16, 8:16], np.tile((0, 255, 0), (8, 8, 1)), atol=8)
    stretched = fitted(png, "stretch", 24)
    colours = stretched[[2, 12, 21], 12] if tall else stretched[12, [2, 12, 21]]
    np.testing.assert_allclose(colours, np.eye(3) * 255, atol=8)
    assert fitted(png, "pad", 24, channels=1).shape == (24, 24, 1)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("shape", [(37, 100), (101, 38), (50, 51)])
def test_a_turned_or_mirrored_photo_gives_the_same_square(fit: Fit, shape: tuple[int, int]) -> None:
    """Whatever is left over when a side is halved, both ends of it are treated alike."""
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    photo = Image.fromarray(noise).resize((shape[1], shape[0]))
    upright = fitted(encoded(photo, "PNG"), fit, 24)
    for orientation, turn in TURNS.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = photo if turn is None else photo.transpose(turn)
        pixels = fitted(encoded(stored, "PNG", exif=exif), fit, 24)
        assert np.abs(pixels.astype(int) - upright).max() <= 2, orientation


@pytest.mark.parametrize("shape", [(1, 900), (900, 1), (1, 2), (3, 1001), (1, 1)])
@pytest.mark.parametrize("size", [24, 25])
def test_a_panorama_one_pixel_high_keeps_its_place(shape: tuple[int, int], size: int) -> None:
    white = np.full((*shape, 3), 255, np.uint8)
    for data in (white, encoded(white, "PNG"), encoded(white, "JPEG")):
        assert (fitted(data, "crop", size) == 255).all()
        assert (fitted(data, "stretch", size) == 255).all()
        padded = fitted(data, "pad", size)[..., 0] == 255
        rows, columns = padded.any(axis=1).sum(), padded.any(axis=0).sum()
        assert padded.sum() == rows * columns
        assert max(rows, columns) == size
        assert abs(min(rows, columns) - max(size * min(shape) / max(shape), 2 - size % 2)) < 1
        np.testing.assert_array_equal(padded, padded[::-1, ::-1])


def test_an_image_that_is_only_cut_keeps_its_pixels_when_the_next_one_is_decoded() -> None:
    tall = encoded(np.full((96, 24, 3), 200, np.uint8), "JPEG")
    first = fitted(tall, "crop", 24)
    fitted(encoded(np.zeros((96, 24, 3), np.uint8), "JPEG"), "crop", 24)
    assert (first == 200).all()


@pytest.mark.parametrize("size", [64, 150, 224])
def test_wide_photos_are_cropped_and_padded_as_pillow_does_it(shared: Path, size: int) -> None:
    with zipfile.ZipFile(shared / "data/kaggle-train-original-size-400.zip") as archive:
        photos = [archive.read(name) for name in archive.namelist() if name.endswith(".jpg")]
    shapes = [Image.open(io.BytesIO(data)).size for data in photos]
    order = np.argsort([width / height for width, height in shapes])
    for row in (*order[:2], *order[-2:]):
        image = Image.open(io.BytesIO(photos[row])).convert("RGB")
        bilinear = Image.Resampling.BILINEAR
        padded = fitted(photos[row], "pad", size)
        shown = padded != BAR
        within = padded[shown.any(axis=(1, 2))][:, shown.any(axis=(0, 2))]
        height, width, _ = within.shape
        assert max(height, width) == size
        assert abs(min(height, width) - size * min(image.size) / max(image.size)) < 1
        for ours, wanted in (
            (fitted(photos[row], "crop", size), ImageOps.fit(image, (size, size), bilinear)),
            (within, image.resize((width, height), bilinear)),
        ):
            assert np.abs(ours.astype(int) - np.asarray(wanted)).mean() < 3, shapes[row]


def test_shrinking_leaves_both_sides_large_enough() -> None:
    factors = {(299, 600): 2, (299, 298): 1, (374, 500): 2, (3000, 4000): 8, (3000, 500): 2, (100, 900): 1}
    assert {size: shrink_factor(*size, 150, 150) for size in factors} == factors


@pytest.mark.parametrize("side", [50, 97, 201, 402])
def test_shrinking_while_decoding_changes_next_to_nothing(side: int) -> None:
    picture = smooth(side, side + 30)
    data = encoded(picture, "JPEG", quality=98, subsampling=0)
    full = resize(simplejpeg.decode_jpeg(data), SIZE)
    difference = np.abs(decoded(data).pixels.astype(int) - full)
    assert difference.mean() < 1.5
    assert difference.max() < 12


@pytest.mark.parametrize(("width", "height"), [(8688, 5792), (16_000, 3_000), (16_320, 12_240), (200, 40_000)])
def test_photos_of_large_cameras_and_panoramas_are_used_by_default(width: int, height: int) -> None:
    default = yaml.safe_load((PROJECT / "conf/base/parameters_ingestion.yml").read_text())["ingestion"]
    limits = {name: default[name] for name in ("max_pixels", "min_side")}
    data = encoded(Image.new("RGB", (width, height), COLOURS["top left"]), "JPEG")
    assert len(data) < default["max_bytes"]
    image = decode(data, image_size=SIZE, channels=3, **limits)
    assert (image.width, image.height) == (width, height)
    np.testing.assert_allclose(corners(image.pixels)["bottom right"], COLOURS["top left"], atol=3)


def test_a_photo_above_pillows_own_limit_is_used_and_one_above_ours_names_the_parameter() -> None:
    data = encoded(Image.new("L", (20_000, 9_500), 77), "PNG", compress_level=1)
    assert (decoded(data, max_pixels=190_000_000).pixels == 77).all()
    with pytest.raises(ImageRejected, match=r"20000x9500 pixels, ingestion\.max_pixels is 189999999"):
        decoded(data, max_pixels=189_999_999)


@pytest.fixture
def photos(shared: Path) -> list[bytes]:
    """Forty of Kaggle's photos at their original sizes."""
    with zipfile.ZipFile(shared / "data/kaggle-train-original-size-400.zip") as archive:
        return [archive.read(name) for name in archive.namelist()[1:400:10] if name.endswith(".jpg")]


def test_shrinking_real_photos_while_decoding_changes_less_than_a_filter_does(photos: list[bytes]) -> None:
    shrinking, filtering = [], []
    for photo in photos:
        full = simplejpeg.decode_jpeg(photo)
        ours = resize(full, 150).astype(int)
        shrinking.append(np.abs(decoded(photo, size=150).pixels - ours).mean())
        lanczos = Image.fromarray(full).resize((150, 150), Image.Resampling.LANCZOS)
        filtering.append(np.abs(np.asarray(lanczos) - ours).mean())
    assert np.mean(shrinking) < 0.6
    assert np.max(shrinking) < 3
    assert np.mean(shrinking) < np.mean(filtering) / 2


def test_a_second_scan_behind_a_whole_picture_is_refused() -> None:
    data = encoded(smooth(64, 64), "JPEG")
    start = data.index(b"\xff\xda")
    with pytest.raises(ImageRejected):
        decoded(data[:-2] + data[start:-2] * 200 + data[-2:])


def test_photos_are_resized_as_by_an_antialiasing_filter(photos: list[bytes]) -> None:
    ours, without = [], []
    for photo in photos:
        full = simplejpeg.decode_jpeg(photo)
        wanted = np.asarray(Image.fromarray(full).resize((150, 150), Image.Resampling.BILINEAR)).astype(int)
        ours.append(np.abs(decoded(photo, size=150).pixels - wanted).mean())
        plain = cv2.resize(full, (150, 150), interpolation=cv2.INTER_LINEAR)
        without.append(np.abs(plain - wanted).mean())
    assert np.mean(ours) < 1
    assert np.max(ours) < 3.5
    assert np.mean(ours) < np.mean(without) / 3


def test_stripes_too_fine_for_the_result_become_grey() -> None:
    stripes = np.zeros((450, 450, 3), np.uint8)
    stripes[:, ::2] = 200
    for picture in (stripes, stripes.transpose(1, 0, 2), stripes[:, :330]):
        inner = resize(np.ascontiguousarray(picture), 150)[5:-5, 5:-5]
        assert abs(inner.mean() - 100) < 2
        assert inner.std() < 12


def test_threads_do_not_disturb_each_other() -> None:
    sides = range(40, 140)
    photos = [encoded(np.roll(smooth(side, side), side, axis=1), "JPEG") for side in sides]
    alone = [decoded(photo).pixels for photo in photos]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda photo: decoded(photo).pixels, photos * 3))
    for index, pixels in enumerate(together):
        np.testing.assert_array_equal(pixels, alone[index % len(photos)])
