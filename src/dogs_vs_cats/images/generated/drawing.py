"""Drawing tools that give the same pixels on every machine.

Three rules ensure that. Randomness comes from NumPy's `RandomState`, whose streams are frozen, unlike `Generator`'s.
OpenCV fills polygons in fixed-point coordinates at three times the final size, and the picture is blurred and reduced
by odd factors: the mean of an odd number of integers is never half-way between two integers, so every implementation
rounds it alike. After that, only element-wise arithmetic touches the pixels, because the order of a floating-point sum
depends on the processor.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Colour = tuple[int, int, int]
Choice = TypeVar("Choice")

CIRCLE: Points = np.array([(math.cos(step * math.pi / 12), math.sin(step * math.pi / 12)) for step in range(24)])
SQUARE: Points = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])

_SUPERSAMPLING = 3
_FIXED_POINT_BITS = 4


class Dice(np.random.RandomState):
    """The random draws of one picture, determined by a seed, the number of its set and its number in the set."""

    def __init__(self, seed: int, number_of_set: int, index: int) -> None:
        super().__init__(np.random.Philox(key=np.array([seed, number_of_set << 32 | index], dtype=np.uint64)))

    # Some compilers fuse the product and the sum inside NumPy's `uniform`, which rounds differently.
    def between(self, low: float, high: float) -> float:
        """Draws uniformly from [low, high)."""
        return low + (high - low) * self.random_sample()

    def rows(self, count: int, *ranges: tuple[float, float]) -> NDArray[np.float64]:
        """Draws `count` rows of numbers, one from each range."""
        low, high = np.transpose(ranges)
        return np.asarray(low + (high - low) * self.random_sample((count, len(ranges))))

    def around(self, middle: float, spread: float) -> float:
        """Draws from middle - spread to middle + spread, mostly near the middle."""
        return middle + spread * (self.random_sample() - self.random_sample())

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random_sample() < probability

    def one_of(self, choices: Sequence[Choice]) -> Choice:
        """Draws one of the choices, all equally likely."""
        return choices[self.randint(len(choices))]

    def weighted(self, odds: Mapping[Choice, float]) -> Choice:
        """Draws a key with a probability proportional to its value."""
        drawn = self.between(0, sum(odds.values()))
        return next(choice for choice, limit in zip(odds, accumulate(odds.values()), strict=True) if drawn < limit)

    def colour(self) -> Colour:
        """Draws a colour that is neither black nor white."""
        return self.randint(30, 226), self.randint(30, 226), self.randint(30, 226)

    def noise(self, *shape: int) -> NDArray[np.float32]:
        """Independent uniform draws from the 256 equal steps of [-1, 1)."""
        raw = np.frombuffer(self.bytes(math.prod(shape)), dtype=np.uint8).reshape(shape)
        return raw.astype(np.float32) / np.float32(128) - np.float32(1)


def place(points: Points, x: float, y: float, width: float, height: float, degrees: float = 0.0) -> Points:
    """Scales points, (n, 2), by width and height, rotates them clockwise, and moves their origin to (x, y)."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    right, down = (width * cosine, width * sine), (-height * sine, height * cosine)
    return np.asarray(points[:, :1] * right + points[:, 1:] * down + (x, y))


def curve(control: Sequence[tuple[float, float]], symmetric: bool = False) -> Points:
    """A closed curve through the control points; if symmetric, through their mirror images too, on the way back."""
    back = [(-x, y) for x, y in reversed(control) if symmetric and x]
    points = np.array([*control, *back])
    # Catmull-Rom: four neighbouring control points give five steps from the second to the third.
    a, b, c, d = (np.roll(points, shift, axis=0)[:, None] for shift in (1, 0, -1, -2))
    t = np.arange(5)[:, None] / 5
    bends = (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t
    return np.reshape(b + ((c - a) * t + bends) / 2, (-1, 2))


def line(control: Sequence[tuple[float, float]], start_width: float, end_width: float) -> Points:
    """A line through the control points, (n, 2), as a polygon; its width changes evenly from start to end."""
    points = np.array(control)
    ends = np.concatenate([points[:1], points, points[-1:]])
    along = ends[2:] - ends[:-2]
    length = np.sqrt(along[:, :1] ** 2 + along[:, 1:] ** 2)
    half = (start_width + (end_width - start_width) * np.arange(len(points))[:, None] / (len(points) - 1)) / 2
    aside = along[:, ::-1] * (-1, 1) / length * half
    return np.concatenate([points + aside, (points - aside)[::-1]])


def mix(first: Colour, second: Colour, part: float) -> Colour:
    """The colour at `part` (0..1) of the way from the first to the second."""
    red, green, blue = (int(a + (b - a) * part) for a, b in zip(first, second, strict=True))
    return red, green, blue


class Canvas:
    """A square picture at three times its final size, with a fourth channel that marks fur.

    Args:
        size: Height and width of the finished picture, in pixels.

    Attributes:
        pixels: uint8 (3 * size, 3 * size, 4): red, green, blue and fur, 0..255.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.pixels = np.zeros((size * _SUPERSAMPLING, size * _SUPERSAMPLING, 4), dtype=np.uint8)

    def fill(self, points: Points, colour: Colour, fur: bool = False, inside: Points | None = None) -> None:
        """Fills a polygon in picture coordinates (0..1 from left and top), or its part inside another polygon."""
        target = self.pixels if inside is None else self.pixels.copy()
        self._polygon(target, points, (*colour, 255 * fur))
        if inside is not None:
            mask = np.zeros(target.shape[:2], dtype=np.uint8)
            self._polygon(mask, inside, (255,))
            cv2.copyTo(target, mask, self.pixels)

    def _polygon(self, target: NDArray[np.uint8], points: Points, colour: Sequence[int]) -> None:
        # Far-away corners must not overflow the 16 bits that OpenCV has for whole pixels.
        scale = self._size * _SUPERSAMPLING * (1 << _FIXED_POINT_BITS)
        corners = np.floor(np.minimum(np.maximum(points, -4), 5) * scale + 0.5).astype(np.int32)
        cv2.fillPoly(target, [corners], colour, cv2.LINE_8, _FIXED_POINT_BITS)

    def gradient(self, top: Colour, bottom: Colour) -> None:
        """Covers the picture with a change from one colour to another."""
        self.pixels[..., :3] = np.linspace(top, bottom, len(self.pixels)).astype(np.uint8)[:, None]

    def photograph(self, dice: Dice, channels: int) -> NDArray[np.uint8]:
        """Reduces the picture to its size and adds fur, light, and the blur and noise of a camera.

        Returns:
            uint8 (size, size, channels), 0..255; a single channel is grey by the weights of ITU-R BT.601.
        """
        one, size = np.float32, self._size
        blur, fur, noise = dice.weighted({0: 0.7, 2: 0.22, 4: 0.08}), dice.between(2, 11), one(dice.between(1, 12))
        blurred = cv2.blur(self.pixels, (2 * (blur * size // 48) + 1,) * 2)
        reduced = cv2.resize(blurred, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
        picture, furry = reduced[..., :3], reduced[..., 3:] / one(255)
        x = (np.arange(size, dtype=np.float32)[:, None] + one(0.5)) / one(size) - one(0.5)
        y = x[:, None]
        slope_x, slope_y = one(dice.between(-0.55, 0.55)), one(dice.between(-0.35, 0.35))
        # An animal is round: its side towards the light is brighter than the wall behind it.
        level = (1 + x * slope_x + y * slope_y) * (1 + furry * (x * slope_x * one(0.6) - y * one(0.25)))
        if dice.chance(0.25):  # the straight edge of a shadow
            edge = x * one(dice.between(-1, 1)) + y * one(dice.between(-1, 1)) + one(dice.between(-0.2, 0.2))
            level = level * (1 - one(dice.between(0.2, 0.5)) * np.clip(edge * one(12), 0, 1))
        cast = one(dice.around(1, 0.35)) * np.array([dice.around(1, 0.15) for _ in range(3)], dtype=np.float32)
        contrast, grey = one(dice.around(1, 0.25)), one(dice.around(120, 30))
        # Noise comes last, so that pictures of different sizes share all other draws.
        strands = dice.noise(size, size, 1)
        strands = strands + np.roll(strands, 1, 0) + np.roll(strands, 2, 0)
        picture = (picture + one(fur / (1 + blur)) * strands * furry) * level * cast
        picture = (picture - grey) * contrast + grey + noise * dice.noise(size, size, 3)
        picture = np.clip(picture, 0, 255) + one(0.5)
        if channels == 1:
            red, green, blue = np.moveaxis(picture.astype(np.uint16), -1, 0)
            picture = (77 * red + 150 * green + 29 * blue + 128)[..., None] >> 8
        return np.asarray(picture.astype(np.uint8))
