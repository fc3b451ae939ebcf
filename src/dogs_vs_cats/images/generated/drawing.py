"""Drawing tools that give the same pixels on every machine.

Three rules keep them so. Randomness comes from raw Philox words: NumPy promises to keep that stream, but not what
`Generator.normal` and its like make of it. Shapes are filled by OpenCV in fixed-point coordinates, three times as
large, and then reduced by exactly three: the mean of nine integers is never half-way between two integers, so every
correct implementation rounds it alike. After that only element-wise arithmetic touches the pixels, because the order
of a floating-point sum depends on the processor.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Colour = tuple[int, int, int]
Choice = TypeVar("Choice")

_SUPERSAMPLING = 3
_FIXED_POINT_BITS = 4
_WORDS_AT_ONCE = 256

_ANGLES = [2 * math.pi * step / 24 for step in range(24)]
UNIT_CIRCLE: Points = np.array([(math.cos(angle), math.sin(angle)) for angle in _ANGLES])

# Catmull-Rom weights of the four neighbouring control points at five steps between the middle two.
_STEPS = np.arange(5) / 5
_CURVE_WEIGHTS = np.stack(
    [
        (-_STEPS + 2 * _STEPS**2 - _STEPS**3) / 2,
        (2 - 5 * _STEPS**2 + 3 * _STEPS**3) / 2,
        (_STEPS + 4 * _STEPS**2 - 3 * _STEPS**3) / 2,
        (-(_STEPS**2) + _STEPS**3) / 2,
    ]
)


class Dice:
    """The random draws of one picture, which depend on nothing but its key.

    Args:
        seed: Seed of the whole set, 0 to 2**64 - 1.
        stream: Which set of pictures (two sets of the same seed must not be cousins), 0 to 2**31 - 1.
        index: Number of the picture, 0 to 2**32 - 1.
    """

    def __init__(self, seed: int, stream: int, index: int) -> None:
        self._bits = np.random.Philox(key=np.array([seed, stream << 32 | index], dtype=np.uint64))
        self._waiting: list[float] = []

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Draws from [low, high), evenly."""
        if not self._waiting:
            words = self._bits.random_raw(_WORDS_AT_ONCE) >> np.uint64(11)
            self._waiting = (words * 2.0**-53).tolist()
        return low + (high - low) * self._waiting.pop()

    def bell(self, low: float, high: float) -> float:
        """Draws from [low, high), mostly near the middle (mean of three even draws)."""
        return (self.uniform(low, high) + self.uniform(low, high) + self.uniform(low, high)) / 3

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform() < probability

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.uniform() * (high - low + 1))

    def one_of(self, choices: Sequence[Choice]) -> Choice:
        """One of the choices, all equally likely."""
        return choices[int(self.uniform() * len(choices))]

    def weighted(self, choices: dict[Choice, float]) -> Choice:
        """One of the keys, as likely as its value; the values need not add up to one."""
        left = self.uniform() * math.fsum(choices.values())
        *others, last = choices
        for choice in others:
            left -= choices[choice]
            if left < 0:
                return choice
        return last

    def noise(self, *shape: int) -> NDArray[np.float32]:
        """An array of independent even draws from the 256 equal steps of [-1, 1)."""
        count = math.prod(shape)
        raw = self._bits.random_raw(-(-count // 8)).astype("<u8").view(np.uint8)[:count]
        return raw.reshape(shape).astype(np.float32) / np.float32(128) - np.float32(1)


class Frame:
    """A movable coordinate system: scaled, mirrored, rotated (in this order), then moved.

    Args:
        x: Where its origin lies in the picture (0 left, 1 right).
        y: Where its origin lies in the picture (0 top, 1 bottom).
        scale: Length of its unit in the picture.
        degrees: Rotation, clockwise as seen in the picture.
        mirrored: Whether its x axis points to the left.
    """

    def __init__(self, x: float, y: float, scale: float, degrees: float = 0.0, mirrored: bool = False) -> None:
        cosine, sine = math.cos(math.radians(degrees)) * scale, math.sin(math.radians(degrees)) * scale
        side = -1.0 if mirrored else 1.0
        self._matrix = (cosine * side, -sine, sine * side, cosine)
        self._origin = (x, y)
        self._scale, self._degrees, self._mirrored = scale, degrees, mirrored

    def moved(self, x: float, y: float) -> "Frame":
        """The same frame with its origin at this point of it."""
        return Frame(*self.at(x, y), self._scale, self._degrees, self._mirrored)

    def resized(self, scale: float, degrees: float) -> "Frame":
        """A frame with the same origin, but this scale and rotation."""
        return Frame(*self._origin, scale, degrees, self._mirrored)

    def __call__(self, points: Points) -> Points:
        """Takes (n, 2) points of this frame to the picture."""
        a, b, c, d = self._matrix
        x, y = points[:, 0], points[:, 1]
        return np.stack([x * a + y * b + self._origin[0], x * c + y * d + self._origin[1]], axis=1)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Takes one point of this frame to the picture."""
        a, b, c, d = self._matrix
        return x * a + y * b + self._origin[0], x * c + y * d + self._origin[1]


def ellipse(x: float, y: float, width: float, height: float, degrees: float = 0.0) -> Points:
    """An ellipse as a polygon; `width` and `height` are its half axes."""
    oval = UNIT_CIRCLE * (width, height)
    return Frame(x, y, 1.0, degrees)(oval)


def smooth(control: Sequence[tuple[float, float]]) -> Points:
    """A closed curve through the control points, in their order."""
    points = np.array(control)
    neighbours = [np.roll(points, 1, axis=0), points, np.roll(points, -1, axis=0), np.roll(points, -2, axis=0)]
    curve = sum(
        weights[None, :, None] * near[:, None, :] for weights, near in zip(_CURVE_WEIGHTS, neighbours, strict=True)
    )
    return np.asarray(curve).reshape(-1, 2)


def stroke(control: Sequence[tuple[float, float]], start_width: float, end_width: float | None = None) -> Points:
    """A line through the control points as a polygon; its width changes evenly from start to end."""
    points = np.array(control, dtype=np.float64)
    along = np.empty_like(points)
    along[1:-1] = points[2:] - points[:-2]
    along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    length = np.maximum(np.sqrt(along[:, :1] * along[:, :1] + along[:, 1:] * along[:, 1:]), 1e-9)
    last = start_width if end_width is None else end_width
    half = (start_width + (last - start_width) * np.arange(len(points))[:, None] / (len(points) - 1)) / 2
    aside = np.concatenate([-along[:, 1:], along[:, :1]], axis=1) / length * half
    return np.concatenate([points + aside, (points - aside)[::-1]])


class Canvas:
    """A square RGB picture, drawn three times as large as it will be.

    Args:
        size: Height and width of the finished picture, in pixels.

    Attributes:
        size: As given.
        pixels: uint8 (3 * size, 3 * size, 3), RGB, 0..255.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.pixels: NDArray[np.uint8] = np.zeros((size * _SUPERSAMPLING, size * _SUPERSAMPLING, 3), dtype=np.uint8)

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        # A far-away corner must not overflow OpenCV's 16 bits of whole pixels.
        scale = self.size * _SUPERSAMPLING * (1 << _FIXED_POINT_BITS)
        return np.floor(np.clip(points, -4, 5) * scale + 0.5).astype(np.int32)

    def fill(self, points: Points, colour: Colour) -> None:
        """Fills a polygon given in picture coordinates (0..1)."""
        cv2.fillPoly(self.pixels, [self._fixed(points)], colour, cv2.LINE_8, _FIXED_POINT_BITS)

    def stencil(self, outlines: Sequence[Points]) -> NDArray[np.uint8]:
        """A uint8 (3 * size, 3 * size) mask that is 255 inside any of the outlines, 0 elsewhere."""
        mask = np.zeros(self.pixels.shape[:2], dtype=np.uint8)
        for points in outlines:
            cv2.fillPoly(mask, [self._fixed(points)], 255, cv2.LINE_8, _FIXED_POINT_BITS)
        return mask

    def fill_inside(self, shapes: Sequence[tuple[Points, Colour]], mask: NDArray[np.uint8]) -> None:
        """Fills several polygons, but only where the mask is not 0."""
        if shapes:
            painted = self.pixels.copy()
            for points, colour in shapes:
                cv2.fillPoly(painted, [self._fixed(points)], colour, cv2.LINE_8, _FIXED_POINT_BITS)
            cv2.copyTo(painted, mask, self.pixels)

    def gradient(self, top: Colour, bottom: Colour, left_to_right: bool = False) -> None:
        """Covers everything with a change from one colour to another."""
        side = self.pixels.shape[0]
        part = np.arange(side, dtype=np.float32)[:, None] / np.float32(side)
        start, end = np.array(top, np.float32), np.array(bottom, np.float32)
        ramp = (start + part * (end - start)).astype(np.uint8)
        self.pixels[:] = ramp[None, :, :] if left_to_right else ramp[:, None, :]

    def reduced(self, mask: NDArray[np.uint8] | None = None) -> NDArray[np.float32]:
        """The picture, or a mask of its size, at its final size: float32, 0..255."""
        large = self.pixels if mask is None else mask
        return cv2.resize(large, (self.size, self.size), interpolation=cv2.INTER_AREA).astype(np.float32)


def soften(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blurs (h, w, ...) by one step: weights 1, 2, 1 down and across, edges repeated."""
    for axis in (0, 1):
        first, last = np.take(picture, [0], axis), np.take(picture, [-1], axis)
        padded = np.concatenate([first, picture, last], axis)
        before, after = (np.take(padded, range(start, start + picture.shape[axis]), axis) for start in (0, 2))
        picture = (picture + picture + before + after) * np.float32(0.25)
    return picture


def light(picture: NDArray[np.float32], furry: NDArray[np.float32], dice: Dice) -> NDArray[np.float32]:
    """Adds fur, then the direction, strength and colour of the light, contrast, blur and noise of a camera.

    Args:
        picture: float32 (size, size, 3), 0..255.
        furry: float32 (size, size), 0..1: how much of each pixel is a round body with fur.
        dice: Where the draws come from.

    Returns:
        float32 (size, size, 3), not yet limited to 0..255.
    """
    one = np.float32
    size = len(picture)
    strands = dice.noise(size, size)
    strands = strands + np.roll(strands, 1, 0) + np.roll(strands, 2, 0)
    fur = one(dice.uniform(2, 11)) * strands * furry
    axis = (np.arange(size, dtype=np.float32) + one(0.5)) / one(size) - one(0.5)
    slope_x, slope_y = dice.uniform(-0.55, 0.55), dice.uniform(-0.35, 0.35)
    level = one(1) + axis[None, :] * one(slope_x) + axis[:, None] * one(slope_y)
    # The animal is round: its side towards the light is brighter than the wall behind it.
    level = level * (one(1) + furry * (axis[None, :] * one(slope_x * 0.6) - axis[:, None] * one(0.25)))
    if dice.chance(0.25):
        # The straight edge of a shadow that falls over everything.
        edge = (
            axis[None, :] * one(dice.uniform(-1, 1))
            + axis[:, None] * one(dice.uniform(-1, 1))
            + one(dice.uniform(-0.2, 0.2))
        )
        level = level * (one(1) - one(dice.uniform(0.2, 0.5)) * np.clip(edge * one(12), 0, 1))
    exposure = dice.bell(0.65, 1.35)
    cast = np.array([exposure * dice.bell(0.85, 1.15) for _ in range(3)], dtype=np.float32)
    lit = (picture + fur[..., None]) * level[..., None] * cast
    contrast, grey = one(dice.bell(0.75, 1.25)), one(dice.bell(90, 150))
    lit = (lit - grey) * contrast + grey
    for _ in range(dice.weighted({0: 0.7, 1: 0.22, 2: 0.08}) * max(1, size // 64)):
        lit = soften(lit)
    return lit + one(dice.uniform(1, 12)) * dice.noise(size, size, 3)


def shade(colour: Colour, factor: float) -> Colour:
    """A colour made darker (factor below 1) or lighter, within 0..255."""
    red, green, blue = (max(0, min(255, int(part * factor))) for part in colour)
    return red, green, blue


def mix(first: Colour, second: Colour, part: float) -> Colour:
    """The colour at `part` (0..1) of the way from the first to the second."""
    red, green, blue = (int(a + (b - a) * part) for a, b in zip(first, second, strict=True))
    return red, green, blue


def to_pixels(picture: NDArray[np.float32], channels: int) -> NDArray[np.uint8]:
    """Rounds a float32 (h, w, 3) picture to uint8 (h, w, channels), grey by the weights of ITU-R BT.601."""
    rounded = np.floor(np.clip(picture, 0, 255) + np.float32(0.5)).astype(np.uint8)
    if channels == 3:
        return rounded
    wide = rounded.astype(np.uint16)
    grey = (77 * wide[..., 0] + 150 * wide[..., 1] + 29 * wide[..., 2] + 128) >> 8
    return grey.astype(np.uint8)[..., None]
