"""Draws one animal of a species, in a random place, pose and light.

Individuals differ and species overlap, so no single trait gives a picture away: some dogs have pricked ears and short
muzzles, some cats folded ears and round pupils, and all species share the same coats. Pose, crop, background and light
vary more than the traits do. As with photos, a network has to combine several traits.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from dogs_vs_cats.images.generated.drawing import CIRCLE, SQUARE, Canvas, Dice, Points, curve, line, mix, place

_WHITE, _PINK, _INK = (240, 234, 226), (222, 140, 140), (30, 24, 24)
_EYES = {"green": (150, 190, 70), "yellow": (222, 184, 60), "blue": (110, 170, 200), "brown": (100, 64, 36)}
_NOSES = {"pink": (214, 128, 128), "black": (42, 34, 36), "brown": (108, 70, 60)}
_DARK_FURS = ((60, 56, 58), (108, 104, 112), (140, 98, 62), (168, 100, 44))
_FURS = (*_DARK_FURS, (236, 228, 216), (222, 196, 156), (188, 158, 118), (150, 148, 150), (224, 150, 76))

# The body, in half head heights below the middle of the head.
_BACK = curve([(0, 0.3), (0.7, 0.8), (1.05, 1.9), (1.15, 2.8), (0, 3.0)], symmetric=True)
_CHEST = curve([(0, 0.8), (0.42, 1.0), (0.3, 1.7), (0, 2.0)], symmetric=True)
_LEGS = [line([(x, 1.5), (x, 2.85)], 0.55, 0.42) for x in (-0.36, 0.36)]
_COLLAR = line([(-0.72, 0.82), (-0.4, 1.02), (0, 1.1), (0.4, 1.02), (0.72, 0.82)], 0.2, 0.2)
# The rest have their origin where they are attached, and unit size.
_TAIL = curve([(0.5, 0.1), (1.5, 0.15), (1.75, -1.4), (1.55, -1.5), (1.35, -0.25), (0.5, -0.3)])
_CHEEKS = curve([(0, 0), (0.75, 0.3), (1, 0.7), (0.6, 1), (0, 1.05)], symmetric=True)
_NOSE = curve([(1.25, -0.7), (0.7, 0.55), (0, 0.95)], symmetric=True)
_TONGUE = curve([(1, 0), (1.05, 0.8), (0, 1.0)], symmetric=True)
_LIP = line([(0, 0), (0.4, 0.07), (0.7, 0)], 0.07, 0.03)
_MOUTH = (_LIP, _LIP * (-1, 1), line([(0, 0), (0, -0.3)], 0.14, 0.14))
_WHISKERS = [line([(x / 3, 0.08 * y), (x, 0.24 * y - 0.06)], 0.06, 0.02) for x in (-1, 1) for y in (-1, 0, 1)]
_EARS = {  # the right one: x in half widths, y in lengths above the head
    "pricked": curve([(-1.0, 0.05), (-0.3, 0.55), (0.65, 1.1), (1.1, 0.5), (1.0, -0.6)]),
    "round": curve([(-0.8, -0.1), (-0.75, 0.6), (0.1, 1.0), (1.1, 0.7), (1.3, 0.0), (0.8, -0.6)]),
    "folded": curve([(-1.0, 0.1), (0.0, 0.45), (1.0, 0.1), (1.2, -0.4), (0.0, -0.15)]),
    "half": curve([(-1.0, 0.05), (-0.3, 0.65), (0.9, 0.62), (1.35, 0.0), (0.8, 0.15), (1.0, -0.5)]),
    "hanging": curve([(-0.4, 0.2), (0.9, 0.15), (1.8, -0.45), (2.0, -1.1), (1.2, -1.4), (0.4, -1.2), (0.8, -0.6)]),
}
_CONE = line([(0, 0.8), (0, -1)], 1.4, 0.1)
_LEAF = curve([(0, -1), (0.5, -0.2), (0.4, 0.8), (0, 1)], symmetric=True)


class Lengths(NamedTuple):
    """Typical lengths, in half head heights."""

    head: float = 1.0
    jaw: float = 0.65
    ears: float = 0.7
    ear_width: float = 0.65
    muzzle: float = 0.5
    muzzle_width: float = 0.5
    nose: float = 0.16
    eyes: float = 0.2


class Species(NamedTuple):
    """The odds of its variants, the probabilities (0..1) of the rest, and its typical lengths."""

    ears: Mapping[str, float]
    lengths: Lengths
    patterns: Mapping[str, float] = {"plain": 0.3, "stripes": 0.2, "patches": 0.2, "spots": 0.15, "points": 0.15}
    eyes: Mapping[str, float] = {"green": 0.25, "yellow": 0.25, "blue": 0.2, "brown": 0.3}
    noses: Mapping[str, float] = {"black": 0.4, "brown": 0.3, "pink": 0.3}
    slit_pupils: float = 0.0
    whiskers: float = 0.3
    tongue: float = 0.1


CAT = Species(
    ears={"pricked": 0.9, "folded": 0.06, "half": 0.04},
    lengths=Lengths(head=1.08, muzzle=0.34, muzzle_width=0.46, nose=0.13, eyes=0.24),
    patterns={"stripes": 0.4, "plain": 0.22, "patches": 0.18, "spots": 0.12, "points": 0.08},
    eyes={"green": 0.35, "yellow": 0.28, "blue": 0.17, "brown": 0.2},
    noses={"pink": 0.6, "black": 0.25, "brown": 0.15},
    slit_pupils=0.7,
    whiskers=0.92,
    tongue=0.03,
)
DOG = Species(
    ears={"hanging": 0.58, "half": 0.24, "pricked": 0.14, "folded": 0.04},
    lengths=Lengths(head=0.94, ears=0.82, ear_width=0.6, muzzle=0.6, muzzle_width=0.53, nose=0.2, eyes=0.18),
    patterns={"plain": 0.34, "patches": 0.26, "points": 0.16, "spots": 0.14, "stripes": 0.1},
    eyes={"brown": 0.8, "blue": 0.12, "yellow": 0.04, "green": 0.04},
    noses={"black": 0.7, "brown": 0.2, "pink": 0.1},
    tongue=0.35,
)


def draw(species: Species, dice: Dice, image_size: int, channels: int) -> np.ndarray:
    """Draws one animal: uint8 (image_size, image_size, channels), 0..255, RGB or grey, the same on every machine."""
    canvas = Canvas(image_size)
    _background(canvas, dice)
    animal = _Animal(canvas, dice, species)
    # Large heads may leave the picture, small ones move about in it.
    x, y, height, roll = dice.around(0.5, 0.2), dice.around(0.45, 0.2), dice.around(0.27, 0.1), dice.around(0, 30)
    width = height * dice.one_of((-1, 1))
    animal.paint_body(partial(place, x=x, y=y, width=width, height=height, degrees=roll * 0.3))
    animal.paint_head(partial(place, x=x, y=y, width=width, height=height, degrees=roll))
    return canvas.photograph(dice, channels)


class _Animal:
    """One animal. Its frames map half head heights from the middle of its head to the picture."""

    def __init__(self, canvas: Canvas, dice: Dice, species: Species) -> None:
        self.canvas, self.dice, self.species = canvas, dice, species
        self.fur = mix(dice.one_of(_FURS), dice.one_of((_INK, _WHITE)), dice.between(0, 0.2))
        self.marking = mix(self.fur, _WHITE if sum(self.fur) < 330 or dice.chance(0.2) else _INK, 0.55)
        self.pattern = dice.weighted(species.patterns)

    def length(self, typical: float) -> float:
        """Draws a length of this animal."""
        return self.dice.around(typical, 0.25 * typical)

    def paint_body(self, frame: partial[Points]) -> None:
        """Paints it sitting."""
        dice, fill = self.dice, partial(self.canvas.fill, fur=True)
        feet = self.marking if self.pattern == "points" else self.fur
        fill(frame(place(_TAIL, 0, 2.6, dice.one_of((-1, 1)), dice.between(0.5, 1.3))), mix(feet, _INK, 0.1))
        width = dice.between(0.75, 1.15)
        fill(back := frame(_BACK * (width, 1)), mix(self.fur, _INK, 0.2))
        for mark in self._marks():
            fill(frame(place(mark, 0, 1.9, width, 1.1)), mix(self.marking, _INK, 0.15), inside=back)
        for leg in _LEGS:
            fill(frame(leg), feet)
        fill(frame(_CHEST), mix(self.fur, _WHITE, 1.0 if self.pattern in ("patches", "stripes") else 0.35))
        if dice.chance(0.3):
            self.canvas.fill(frame(_COLLAR), dice.colour())

    def paint_head(self, frame: partial[Points]) -> None:
        """Paints the head, turned to a side, with hanging ears in front of it and all others behind it."""
        dice, fill, lengths = self.dice, partial(self.canvas.fill, fur=True), self.species.lengths
        width, jaw = dice.around(lengths.head, 0.15), self.length(lengths.jaw)
        skull = [(0, -0.88), (width * 0.55, -0.8), (width * 0.92, -0.35), (width * 0.98, 0.15), (jaw, 0.66), (0, 0.94)]
        outline = frame(curve(skull, symmetric=True))
        ears, turn = dice.weighted(self.species.ears), dice.around(0, 0.25)
        if ears != "hanging":
            self._ears(frame, ears, width)
        fill(outline, self.fur)
        for mark in self._marks():
            fill(frame(mark * (width, 0.95)), self.marking, inside=outline)
        if self.pattern == "points":
            fill(frame(place(CIRCLE, turn, 0.35, 0.62, 0.75)), mix(self.fur, self.marking, 0.7), inside=outline)
        if ears == "hanging":
            self._ears(frame, ears, width)
        self._eyes(frame, turn)
        self._muzzle(frame, turn)

    def _marks(self) -> Iterator[Points]:
        """Yields the marks of the coat on a part of the body that reaches from -1 to 1."""
        dice = self.dice
        if self.pattern == "stripes":
            for x in (-0.36, -0.12, 0.12, 0.36):
                yield line([(x, -1.0), (x, -0.5)], 0.13, 0.03)
            for y in (-0.25, 0.05, 0.35, 0.65):
                bend = dice.between(-0.1, 0.15)
                stripe = line([(1.1, y - bend), (0.85, y), (0.58, y + bend)], 0.15, 0.03)
                yield from (stripe, stripe * (-1, 1))
        elif self.pattern == "patches":
            for _ in range(dice.randint(1, 3)):
                x, y = dice.one_of((-1, 1)) * dice.between(0.25, 0.8), dice.between(-0.8, 0.3)
                yield place(CIRCLE, x, y, dice.between(0.35, 0.6), dice.between(0.35, 0.65), dice.between(-40, 40))
        elif self.pattern == "spots":
            for x, y, width, height in dice.rows(8, (-1, 1), (-1, 1), (0.06, 0.16), (0.06, 0.16)):
                yield place(CIRCLE, x, y, width, height)

    def _ears(self, frame: partial[Points], kind: str, head_width: float) -> None:
        half, length = self.length(self.species.lengths.ear_width) / 2, self.length(self.species.lengths.ears)
        marked = self.pattern == "points" or (self.pattern != "plain" and self.dice.chance(0.4))
        colour = self.marking if marked else mix(self.fur, _INK, 0.2)
        for side in (-1, 1):
            ear = place(_EARS[kind], head_width * 0.58, -0.62, half, -length) * (side, 1)
            self.canvas.fill(frame(ear), colour, fur=True)
            if kind in ("pricked", "round"):
                self.canvas.fill(frame(ear * 0.55 + ear.mean(axis=0) * 0.45), mix(_PINK, self.fur, 0.35))

    def _eyes(self, frame: partial[Points], turn: float) -> None:
        dice, size = self.dice, self.length(self.species.lengths.eyes)
        apart, height, gaze = dice.around(0.44, 0.07), size * dice.around(0.8, 0.25), dice.between(-0.05, 0.05)
        colour, slit = _EYES[dice.weighted(self.species.eyes)], dice.chance(self.species.slit_pupils)
        pupil, tall, tilt = (size * 0.28, height * 0.9, -12) if slit else (size * 0.58, height * 0.7, 4)
        for side in (-1, 1):
            x, y, degrees = turn + side * apart, -0.12, side * tilt
            self.canvas.fill(frame(place(CIRCLE, x, y, size * 1.18, height * 1.22, degrees)), _INK)
            self.canvas.fill(frame(place(CIRCLE, x, y, size, height, degrees)), colour)
            self.canvas.fill(frame(place(CIRCLE, x + gaze, y, pupil, tall)), (14, 12, 14))
            self.canvas.fill(frame(place(CIRCLE, x - size * 0.3, y - size * 0.3, size * 0.24, size * 0.24)), _WHITE)

    def _muzzle(self, frame: partial[Points], turn: float) -> None:
        dice, fill, lengths = self.dice, self.canvas.fill, self.species.lengths
        long, wide = dice.around(lengths.muzzle, 0.2), self.length(lengths.muzzle_width)
        nose, colour = self.length(lengths.nose), _NOSES[dice.weighted(self.species.noses)]
        light = self.marking if self.pattern == "points" else mix(self.fur, _WHITE, dice.between(0.25, 0.9))
        lips = mix(colour, _INK, 0.5) if sum(light) > 300 else _INK
        x, top = turn * (1 + long), 0.18 + long * 0.38
        mouth = top + nose + 0.10 + long * 0.12
        # A long muzzle starts between the eyes, a short one is two cheeks under the nose.
        bridge = -0.15 if long > 0.45 else 0.2
        fill(frame(place(_CHEEKS, x, bridge, wide, 0.4 + long * 0.75 - bridge)), light, fur=True)
        if dice.chance(self.species.tongue):
            fill(frame(place(_TONGUE, x, mouth, 0.16, dice.between(0.35, 0.6))), (226, 110, 122))
        for part in _MOUTH:
            fill(frame(place(part, x, mouth, wide, 1)), lips)
        fill(frame(place(_NOSE, x, top, nose, nose)), colour)
        fill(frame(place(CIRCLE, x - nose * 0.3, top - nose * 0.3, nose * 0.35, nose * 0.2)), mix(colour, _WHITE, 0.5))
        if dice.chance(self.species.whiskers):
            reach, tone = wide + dice.between(0.4, 0.7), _WHITE if sum(self.fur) < 560 else (110, 104, 100)
            for whisker in _WHISKERS:
                fill(frame(place(whisker, x, top + 0.14, reach, 1)), tone)


def _background(canvas: Canvas, dice: Dice) -> None:
    """Paints one of four places, and shapes that belong to no animal."""
    kind = dice.weighted({"gradient": 0.25, "stripes": 0.15, "room": 0.3, "meadow": 0.3})
    first, second, horizon = dice.colour(), dice.colour(), dice.between(0.35, 0.8)
    ground = place(SQUARE, 0.5, (1 + horizon) / 2, 0.5, (1 - horizon) / 2)
    if kind == "room":
        wall, floor = mix(first, (200, 190, 175), 0.5), mix(second, (140, 105, 75), 0.6)
        canvas.gradient(wall, mix(wall, dice.one_of((_INK, _WHITE)), dice.between(0, 0.3)))
        x, y, width, height = dice.rows(1, (0, 1), (0.1, 0.5), (0.1, 0.22), (0.08, 0.2))[0]
        canvas.fill(place(SQUARE, x, y * horizon, width, height), (235, 230, 222))
        canvas.fill(place(SQUARE * 0.85, x, y * horizon, width, height), mix((170, 200, 220), dice.colour(), 0.4))
        canvas.fill(ground, floor)
        for foot in np.arange(-3, 10, 2) / 6:
            canvas.fill(line([(foot, 1.0), (y * 2, horizon - 0.3)], 0.12, 0), mix(floor, _INK, 0.1), inside=ground)
    elif kind == "meadow":
        sky, grass = mix(first, (165, 200, 235), 0.8), mix(second, (105, 160, 60), 0.7)
        canvas.gradient(sky, mix(sky, _WHITE, 0.6))
        for x, width, height in dice.rows(dice.randint(4), (0, 1), (0.1, 0.3), (0.05, 0.35)):
            canvas.fill(place(CIRCLE, x, horizon, width, height), mix(dice.colour(), (70, 110, 60), 0.8))
        canvas.fill(ground, grass)
        for x, y, width, height in dice.rows(16, (0, 1), (horizon, 1.1), (-0.05, 0.05), (0.05, 0.12)):
            blade = np.array([(x - 0.01, y), (x + 0.01, y), (x + width, y - height)])
            canvas.fill(blade, mix(grass, dice.one_of((_INK, _WHITE)), 0.2))
    else:
        canvas.gradient(first, second)
        count, degrees = dice.randint(3, 9), dice.between(0, 180)
        for x in np.linspace(-1, 1, count) if kind == "stripes" else ():
            stripe = place(place(SQUARE, x, 0, 0.5 / count, 1), 0.5, 0.5, 1, 1, degrees)
            canvas.fill(stripe, mix(first, second, 0.4))
    for _ in range(dice.weighted({0: 0.25, 1: 0.25, 2: 0.2, 3: 0.15, 5: 0.15})):
        colour = mix(dice.colour(), dice.one_of(_FURS), dice.between(0, 0.9))
        x, y, size, degrees = dice.rows(1, (0, 1), (0, 1), (0.07, 0.18), (-40, 40))[0]
        shape = place(dice.one_of((CIRCLE, SQUARE, _CONE, _LEAF)), x, y, size * dice.one_of((-1, 1)), size, degrees)
        canvas.fill(shape, colour)
        canvas.fill(shape * 0.6 + shape.mean(axis=0) * 0.38, mix(colour, _WHITE, 0.3))
