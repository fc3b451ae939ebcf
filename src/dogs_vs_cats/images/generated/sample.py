"""Drawn cats and dogs, so that everything runs without a download.

No single trait gives a picture away: some dogs have pricked ears and short muzzles, some cats folded ears and round
pupils, and both wear the same coats. Pose, crop, background and light vary more than the traits do, so a network has
to look at several of them together, as with photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dogs_vs_cats.images.generated.drawing import (
    Canvas,
    Colour,
    Dice,
    Frame,
    Points,
    ellipse,
    light,
    mix,
    shade,
    smooth,
    stroke,
    to_pixels,
)
from dogs_vs_cats.images.sources.base import Entry, Source

VERSION = 1
"""To be raised with every change that changes pixels, so that nothing takes older drawings for these."""

_STREAM = 1

# Coats of both classes: main colour and marking.
_COATS: dict[str, tuple[Colour, Colour]] = {
    "ginger": ((224, 150, 76), (168, 92, 36)),
    "grey": ((150, 148, 150), (92, 90, 96)),
    "black": ((60, 56, 58), (120, 110, 104)),
    "white": ((236, 228, 216), (176, 140, 100)),
    "cream": ((222, 196, 156), (132, 96, 64)),
    "brown": ((140, 98, 62), (78, 52, 34)),
    "sandy": ((188, 158, 118), (92, 72, 52)),
    "slate": ((108, 104, 112), (210, 206, 204)),
}
_WHITE: Colour = (240, 234, 226)
_PINK: Colour = (222, 140, 140)
_INK: Colour = (30, 24, 24)


@dataclass(frozen=True)
class _Look:
    """The traits of one animal; lengths in half head heights."""

    width: float
    jaw: float
    ears: str
    ear_length: float
    ear_width: float
    muzzle_width: float
    muzzle_length: float
    nose: float
    nose_colour: Colour
    eyes: float
    eye_distance: float
    eye_colour: Colour
    slit_pupils: bool
    whiskers: float
    tongue: bool
    pattern: str
    coat: Colour
    marking: Colour
    collar: Colour | None


def _cat(dice: Dice) -> _Look:
    coat, marking = _coat(dice, ("grey", "black", "slate", "ginger"))
    return _Look(
        width=dice.bell(0.95, 1.22),
        jaw=dice.bell(0.55, 0.80),
        ears=dice.weighted({"pricked": 0.90, "folded": 0.06, "half": 0.04}),
        ear_length=dice.bell(0.50, 0.90),
        ear_width=dice.bell(0.58, 0.82),
        muzzle_width=dice.bell(0.36, 0.56),
        muzzle_length=dice.bell(0.20, 0.48),
        nose=dice.bell(0.09, 0.17),
        nose_colour=dice.weighted({(214, 128, 128): 0.6, (60, 44, 44): 0.25, (120, 76, 66): 0.15}),
        eyes=dice.bell(0.18, 0.30),
        eye_distance=dice.bell(0.38, 0.52),
        eye_colour=dice.weighted(
            {
                (150, 190, 70): 0.35,
                (222, 184, 60): 0.28,
                (110, 170, 200): 0.14,
                (190, 120, 40): 0.13,
                (84, 54, 34): 0.10,
            }
        ),
        slit_pupils=dice.chance(0.7),
        whiskers=dice.bell(0.6, 1.0) if dice.chance(0.92) else 0.0,
        tongue=dice.chance(0.03),
        pattern=dice.weighted({"stripes": 0.40, "plain": 0.22, "patches": 0.18, "points": 0.08, "spots": 0.12}),
        coat=coat,
        marking=marking,
        collar=_bright(dice) if dice.chance(0.25) else None,
    )


def _dog(dice: Dice) -> _Look:
    coat, marking = _coat(dice, ("cream", "brown", "sandy", "white"))
    return _Look(
        width=dice.bell(0.78, 1.10),
        jaw=dice.bell(0.45, 0.85),
        ears=dice.weighted({"hanging": 0.58, "half": 0.24, "pricked": 0.14, "folded": 0.04}),
        ear_length=dice.bell(0.55, 1.10),
        ear_width=dice.bell(0.45, 0.72),
        muzzle_width=dice.bell(0.40, 0.66),
        muzzle_length=dice.bell(0.35, 0.85),
        nose=dice.bell(0.13, 0.27),
        nose_colour=dice.weighted({(36, 30, 32): 0.7, (96, 62, 52): 0.2, (196, 120, 116): 0.1}),
        eyes=dice.bell(0.13, 0.23),
        eye_distance=dice.bell(0.34, 0.50),
        eye_colour=dice.weighted(
            {(84, 54, 34): 0.58, (150, 96, 40): 0.22, (110, 170, 200): 0.12, (222, 184, 60): 0.04, (150, 190, 70): 0.04}
        ),
        slit_pupils=False,
        whiskers=dice.bell(0.3, 0.8) if dice.chance(0.30) else 0.0,
        tongue=dice.chance(0.35),
        pattern=dice.weighted({"plain": 0.34, "patches": 0.26, "points": 0.16, "spots": 0.14, "stripes": 0.10}),
        coat=coat,
        marking=marking,
        collar=_bright(dice) if dice.chance(0.35) else None,
    )


def _coat(dice: Dice, common: Sequence[str]) -> tuple[Colour, Colour]:
    """Main colour and marking, of all coats alike or (four in ten) of the common ones of this class."""
    coat, marking = _COATS[dice.one_of(common if dice.chance(0.4) else tuple(_COATS))]
    if dice.chance(0.2):
        marking = _WHITE if sum(coat) < 600 else (70, 60, 58)
    brightness = dice.bell(0.8, 1.2)
    return shade(coat, brightness), shade(marking, brightness)


def _bright(dice: Dice) -> Colour:
    return dice.one_of(((200, 50, 50), (50, 90, 190), (60, 150, 80), (220, 180, 50), (150, 70, 160), (40, 160, 170)))


def _any_colour(dice: Dice) -> Colour:
    return dice.whole(30, 225), dice.whole(30, 225), dice.whole(30, 225)


def _background(canvas: Canvas, dice: Dice, indoors: float) -> None:
    """Paints one of four places, then things that lie about.

    `indoors` (0..1) is the share of rooms among rooms and meadows.
    """
    place = dice.weighted({"gradient": 0.25, "stripes": 0.15, "room": 0.6 * indoors, "grass": 0.6 * (1 - indoors)})
    horizon = dice.uniform(0.35, 0.8)
    if place == "gradient":
        canvas.gradient(_any_colour(dice), _any_colour(dice), dice.chance(0.4))
    elif place == "room":
        wall = mix(_any_colour(dice), (200, 190, 175), 0.5)
        canvas.gradient(wall, shade(wall, dice.uniform(0.7, 1.1)))
        _rectangle(canvas, dice, 0.0, horizon, (170, 200, 220))
        floor = mix(_any_colour(dice), (140, 105, 75), 0.6)
        canvas.fill(np.array([(0, horizon), (1, horizon), (1, 1), (0, 1)]), floor)
        vanishing = dice.uniform()
        for board in range(-3, 10, 2):
            foot = board / 6
            canvas.fill(
                np.array([(foot, 1.0), (foot + 0.12, 1.0), (vanishing, horizon - 0.3)]).clip((-4, horizon), (5, 1)),
                shade(floor, 0.92),
            )
        canvas.fill(np.array([(0, horizon - 0.02), (1, horizon - 0.02), (1, horizon), (0, horizon)]), shade(wall, 1.15))
    elif place == "grass":
        sky = (dice.whole(130, 200), dice.whole(170, 220), dice.whole(200, 250))
        canvas.gradient(sky, mix(sky, (250, 245, 235), 0.6))
        for _ in range(dice.whole(0, 3)):
            green = (dice.whole(40, 110), dice.whole(80, 140), dice.whole(40, 90))
            canvas.fill(ellipse(dice.uniform(), horizon, dice.uniform(0.1, 0.3), dice.uniform(0.05, 0.35)), green)
        grass = (dice.whole(70, 150), dice.whole(120, 175), dice.whole(45, 90))
        canvas.fill(np.array([(0, horizon), (1, horizon), (1, 1), (0, 1)]), grass)
        for _ in range(24):
            x, y = dice.uniform(), dice.uniform(horizon, 1.1)
            tip = (x + dice.uniform(-0.03, 0.03), y - dice.uniform(0.04, 0.12))
            canvas.fill(np.array([(x - 0.012, y), (x + 0.012, y), tip]), shade(grass, dice.uniform(0.75, 1.25)))
    else:
        first, second = _any_colour(dice), _any_colour(dice)
        second = mix(first, second, dice.uniform(0.2, 0.6))
        canvas.gradient(first, shade(first, 0.85))
        frame = Frame(0.5, 0.5, 1.0, dice.uniform(0, 180))
        count = dice.whole(3, 9)
        for stripe in range(count):
            x = (stripe + 0.5) / count * 2 - 1
            half = 0.5 / count
            canvas.fill(frame(np.array([(x - half, -1), (x, -1), (x, 1), (x - half, 1)])), second)
    for _ in range(dice.weighted({0: 0.25, 1: 0.25, 2: 0.2, 3: 0.15, 5: 0.15})):
        _clutter(canvas, dice)


def _rectangle(canvas: Canvas, dice: Dice, top: float, bottom: float, colour: Colour) -> None:
    x, width = dice.uniform(-0.1, 0.8), dice.uniform(0.2, 0.45)
    y, height = dice.uniform(top, bottom * 0.4), dice.uniform(0.15, 0.4)
    corners = np.array([(0.0, 0.0), (1, 0), (1, 1), (0, 1)])
    canvas.fill(corners * (width + 0.04, height + 0.04) + (x - 0.02, y - 0.02), (235, 230, 222))
    canvas.fill(corners * (width, height) + (x, y), mix(colour, _any_colour(dice), 0.4))


def _clutter(canvas: Canvas, dice: Dice) -> None:
    """A ball, box, cone or leaf: round, pointed and hanging things that are no animal's."""
    frame = Frame(dice.uniform(), dice.uniform(), dice.bell(0.05, 0.2), dice.uniform(-40, 40), dice.chance(0.5))
    colour = mix(_any_colour(dice), _COATS[dice.one_of(tuple(_COATS))][0], dice.uniform(0, 0.9))
    kind = dice.one_of(("ball", "box", "cone", "leaf"))
    if kind == "ball":
        canvas.fill(frame(ellipse(0, 0, 1, 1)), colour)
        canvas.fill(frame(ellipse(-0.3, -0.3, 0.35, 0.3)), shade(colour, 1.3))
    elif kind == "box":
        canvas.fill(frame(np.array([(-1.0, -0.7), (1, -0.7), (1, 0.8), (-1, 0.8)])), colour)
        canvas.fill(frame(np.array([(-1.0, -0.7), (1, -0.7), (0.8, -1), (-0.7, -1)])), shade(colour, 1.2))
    elif kind == "cone":
        canvas.fill(frame(np.array([(-0.7, 0.8), (0.7, 0.8), (0.1, -1.1)])), colour)
        canvas.fill(frame(np.array([(0.1, 0.8), (0.7, 0.8), (0.1, -1.1)])), shade(colour, 0.8))
    else:
        canvas.fill(frame(smooth([(0, -1.1), (0.5, -0.2), (0.35, 0.8), (0, 1.1), (-0.4, 0.6), (-0.5, -0.3)])), colour)


def _outline(look: _Look) -> Points:
    wide, jaw = look.width, look.jaw
    right = [(wide * 0.55, -0.80), (wide * 0.92, -0.35), (wide * 0.98, 0.15), (jaw * 0.98, 0.66)]
    left = [(-x, y) for x, y in reversed(right)]
    return smooth([(0, -0.88), *right, (0, 0.94), *left])


def _ear(look: _Look, side: float) -> tuple[list[Points], list[Points]]:
    """The outer and the inner shape of one ear in head coordinates; side is -1 or 1."""
    wide, length, half = look.width, look.ear_length, look.ear_width / 2
    middle = wide * 0.58
    if look.ears == "pricked":
        tip = (middle + half * 0.65, -0.72 - length)
        base = [(middle - half, -0.66), (middle + half, -0.20)]
        outer = smooth(
            [
                base[0],
                ((base[0][0] + tip[0]) / 2 - 0.06, (base[0][1] + tip[1]) / 2),
                tip,
                ((base[1][0] + tip[0]) / 2 + 0.08, (base[1][1] + tip[1]) / 2),
                base[1],
            ]
        )
        inner = np.array(
            [(middle - half * 0.45, -0.70), (tip[0] - 0.03, tip[1] + length * 0.28), (middle + half * 0.7, -0.45)]
        )
        shapes = [outer], [inner]
    elif look.ears == "half":
        top = -0.72 - length * 0.55
        outer = smooth(
            [
                (middle - half, -0.66),
                (middle - half * 0.3, top),
                (middle + half * 0.9, top + 0.02),
                (middle + half, -0.25),
            ]
        )
        flap = smooth(
            [
                (middle - half * 0.3, top),
                (middle + half * 0.9, top),
                (middle + half * 1.3, top + length * 0.62),
                (middle + half * 0.5, top + length * 0.30),
            ]
        )
        shapes = [outer, flap], []
    elif look.ears == "folded":
        top = -0.80 - length * 0.22
        outer = smooth(
            [
                (middle - half, -0.68),
                (middle, top),
                (middle + half, top + 0.2),
                (middle + half * 1.2, -0.35),
                (middle, -0.5),
            ]
        )
        shapes = [outer], []
    else:
        out = wide * 0.80 + look.ear_width * 0.55
        low = -0.45 + length * 1.15
        outer = smooth(
            [
                (wide * 0.45, -0.78),
                (wide * 0.85, -0.74),
                (out, -0.25),
                (out + 0.06, low * 0.6),
                (out - look.ear_width * 0.3, low),
                (out - look.ear_width * 0.75, low * 0.75),
                (wide * 0.80, -0.15),
            ]
        )
        shapes = [outer], []
    flip = np.array((side, 1.0))
    return [points * flip for points in shapes[0]], [points * flip for points in shapes[1]]


def _markings(look: _Look, dice: Dice, width: float, height: float) -> list[tuple[Points, Colour]]:
    """The pattern of the coat on a part of the body with these half axes."""
    shapes: list[tuple[Points, Colour]] = []
    if look.pattern == "stripes":
        for x in (-0.36, -0.12, 0.12, 0.36):
            top = [(x * width, -1.0 * height), (x * width * 1.05, -0.75 * height), (x * width * 0.9, -0.5 * height)]
            shapes.append((stroke(top, 0.13 * width, 0.03), look.marking))
        for y in (-0.25, 0.05, 0.35, 0.65):
            for side in (-1, 1):
                bend = dice.uniform(-0.1, 0.15)
                line = [
                    (side * 1.1 * width, (y - bend) * height),
                    (side * 0.85 * width, y * height),
                    (side * 0.58 * width, (y + bend) * height),
                ]
                shapes.append((stroke(line, 0.15 * height, 0.03), look.marking))
    elif look.pattern == "patches":
        for _ in range(dice.whole(1, 2)):
            side = dice.one_of((-1, 1))
            centre = (side * dice.uniform(0.25, 0.8) * width, dice.uniform(-0.8, 0.3) * height)
            shapes.append(
                (
                    ellipse(
                        *centre,
                        dice.uniform(0.35, 0.6) * width,
                        dice.uniform(0.35, 0.65) * height,
                        dice.uniform(-40, 40),
                    ),
                    look.marking,
                )
            )
    elif look.pattern == "spots":
        for _ in range(dice.whole(6, 11)):
            centre = (dice.uniform(-1, 1) * width, dice.uniform(-1, 1) * height)
            shapes.append((ellipse(*centre, dice.uniform(0.06, 0.16), dice.uniform(0.06, 0.16)), look.marking))
    return shapes


def _body(canvas: Canvas, dice: Dice, look: _Look, frame: Frame) -> list[Points]:
    """Paints a sitting body below the head; returns its outlines in picture coordinates."""
    width, drop = dice.uniform(0.75, 1.15), dice.uniform(0.0, 0.25)
    dark = shade(look.coat, 0.82)
    side = dice.one_of((-1, 1))
    tail_end = dice.uniform(0.6, 1.9)
    curve = smooth(
        [
            (side * 0.5, 2.7),
            (side * 1.5, 2.75),
            (side * 1.75, tail_end),
            (side * 1.55, tail_end - 0.1),
            (side * 1.35, 2.35),
            (side * 0.5, 2.3),
        ]
    )
    tail = frame(curve)
    canvas.fill(tail, shade(look.marking if look.pattern == "points" else look.coat, 0.9))
    back = frame(
        smooth(
            [
                (0, 0.3),
                (width * 0.7, 0.7 + drop),
                (width * 1.05, 1.9),
                (width * 1.15, 2.8),
                (0, 3.0),
                (-width * 1.15, 2.8),
                (-width * 1.05, 1.9),
                (-width * 0.7, 0.7 + drop),
            ]
        )
    )
    canvas.fill(back, dark)
    mask = canvas.stencil([back])
    marks = [
        (frame(points + np.array((0.0, 1.9))), shade(colour, 0.85))
        for points, colour in _markings(look, dice, width, 1.1)
    ]
    canvas.fill_inside(marks, mask)
    for leg in (-1, 1):
        foot = look.marking if look.pattern == "points" else mix(look.coat, _WHITE, 0.3)
        canvas.fill(frame(stroke([(leg * 0.36, 1.5), (leg * 0.36, 2.3), (leg * 0.38, 2.85)], 0.55, 0.42)), look.coat)
        canvas.fill(frame(ellipse(leg * 0.4, 2.86, 0.3, 0.17)), foot)
    chest = _WHITE if look.pattern in ("patches", "stripes") else mix(look.coat, _WHITE, 0.35)
    canvas.fill(frame(smooth([(0, 0.8), (0.42, 1.0), (0.3, 1.7), (0, 2.0), (-0.3, 1.7), (-0.42, 1.0)])), chest)
    if look.collar:
        canvas.fill(frame(stroke([(-0.72, 0.82), (-0.4, 1.02), (0, 1.1), (0.4, 1.02), (0.72, 0.82)], 0.2)), look.collar)
        canvas.fill(frame(ellipse(0, 1.24, 0.12, 0.13)), (236, 204, 92))
    return [tail, back]


def _head(canvas: Canvas, dice: Dice, look: _Look, frame: Frame, turn: float) -> list[Points]:
    """Paints the head; turn (-1..1) is how far it looks to a side. Returns its outlines in picture coordinates."""
    outline = frame(_outline(look))
    ears = [_ear(look, side) for side in (-1.0, 1.0)]
    pointed = look.pattern == "points"
    marked = pointed or dice.chance(0.5 if look.pattern == "patches" or look.ears == "hanging" else 0.0)
    ear_colour = look.marking if marked else shade(look.coat, 0.75 if look.ears == "hanging" else 0.86)
    outer = [[frame(points) for points in shapes] for shapes, _ in ears]
    if look.ears != "hanging":
        for shapes, (_, inner) in zip(outer, ears, strict=True):
            for depth, points in enumerate(shapes):
                canvas.fill(points, shade(ear_colour, 1 - 0.18 * depth))
            for points in inner:
                canvas.fill(frame(points), mix(_PINK, look.coat, 0.35))
    canvas.fill(outline, look.coat)
    mask = canvas.stencil([outline])
    face = frame.moved(turn * 0.26, 0)
    marks = [(frame(points), colour) for points, colour in _markings(look, dice, look.width, 0.95)]
    if pointed:
        marks.append((face(ellipse(0, 0.35, 0.62, 0.75)), mix(look.coat, look.marking, 0.7)))
    canvas.fill_inside(marks, mask)
    if look.ears == "hanging":
        for shapes in outer:
            for points in shapes:
                canvas.fill(points, ear_colour)
    _eyes(canvas, dice, look, face)
    _muzzle(canvas, dice, look, face, turn)
    return [outline, *outer[0], *outer[1]]


def _eyes(canvas: Canvas, dice: Dice, look: _Look, face: Frame) -> None:
    height = -0.12
    open_part = dice.bell(0.55, 1.05)
    gaze = dice.uniform(-0.25, 0.25) * look.eyes
    for side in (-1, 1):
        x = side * look.eye_distance
        tilt = side * (-12 if look.slit_pupils else 4)
        canvas.fill(face(ellipse(x, height, look.eyes * 1.18, look.eyes * open_part * 1.22, tilt)), _INK)
        canvas.fill(face(ellipse(x, height, look.eyes, look.eyes * open_part, tilt)), look.eye_colour)
        pupil = look.eyes * (0.28 if look.slit_pupils else 0.58)
        tall = min(look.eyes * open_part * 0.95, look.eyes * (0.9 if look.slit_pupils else 0.58))
        canvas.fill(face(ellipse(x + gaze, height, pupil, tall)), (14, 12, 14))
        shine = look.eyes * 0.24
        canvas.fill(face(ellipse(x - look.eyes * 0.28, height - look.eyes * 0.3, shine, shine)), (250, 250, 248))


def _muzzle(canvas: Canvas, dice: Dice, look: _Look, face: Frame, turn: float) -> None:
    wide, long = look.muzzle_width, look.muzzle_length
    centre = turn * long * 0.35
    light = look.marking if look.pattern == "points" else mix(look.coat, _WHITE, dice.uniform(0.25, 0.9))
    bottom = 0.40 + long * 0.75
    # A long muzzle starts between the eyes, a short one is two cheeks under the nose.
    bridge = -0.15 if long > 0.45 else 0.2
    canvas.fill(
        face(
            smooth(
                [
                    (centre * 0.4, bridge),
                    (centre + wide * 0.75, 0.32),
                    (centre + wide, bottom - 0.25),
                    (centre + wide * 0.6, bottom),
                    (centre, bottom + 0.04),
                    (centre - wide * 0.6, bottom),
                    (centre - wide, bottom - 0.25),
                    (centre - wide * 0.75, 0.32),
                ]
            )
        ),
        light,
    )
    nose_y = 0.18 + long * 0.38
    mouth_y = nose_y + look.nose + 0.10 + long * 0.12
    if look.tongue:
        hang = dice.uniform(0.25, 0.5)
        canvas.fill(
            face(
                smooth(
                    [
                        (centre - 0.16, mouth_y),
                        (centre + 0.16, mouth_y),
                        (centre + 0.17, mouth_y + hang),
                        (centre, mouth_y + hang + 0.1),
                        (centre - 0.17, mouth_y + hang),
                    ]
                )
            ),
            (226, 110, 122),
        )
    line = shade(look.nose_colour, 0.6) if sum(light) > 300 else _INK
    thick = 0.07
    canvas.fill(face(stroke([(centre, nose_y), (centre, mouth_y)], thick)), line)
    for side in (-1, 1):
        corner = [
            (centre, mouth_y),
            (centre + side * wide * 0.4, mouth_y + 0.07),
            (centre + side * wide * 0.7, mouth_y),
        ]
        canvas.fill(face(stroke(corner, thick, 0.03)), line)
    canvas.fill(
        face(
            smooth(
                [
                    (centre - look.nose * 1.25, nose_y - look.nose * 0.7),
                    (centre + look.nose * 1.25, nose_y - look.nose * 0.7),
                    (centre + look.nose * 0.7, nose_y + look.nose * 0.55),
                    (centre, nose_y + look.nose * 0.95),
                    (centre - look.nose * 0.7, nose_y + look.nose * 0.55),
                ]
            )
        ),
        look.nose_colour,
    )
    canvas.fill(
        face(ellipse(centre - look.nose * 0.3, nose_y - look.nose * 0.3, look.nose * 0.35, look.nose * 0.2)),
        mix(look.nose_colour, _WHITE, 0.5),
    )
    if look.whiskers:
        tone = _WHITE if sum(look.coat) < 560 else (110, 104, 100)
        for side in (-1, 1):
            for number in (-1, 0, 1):
                start = (centre + side * wide * 0.6, nose_y + 0.14 + number * 0.08)
                end = (centre + side * (wide + 0.75 * look.whiskers), nose_y + 0.08 + number * 0.24)
                middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - 0.05)
                canvas.fill(face(stroke([start, middle, end], 0.06, 0.02)), tone)


def draw(label: int, index: int, image_size: int, channels: int, seed: int) -> NDArray[np.uint8]:
    """Draws one animal.

    Args:
        label: 0 for a cat, 1 for a dog.
        index: Number of the picture; pictures with different numbers have nothing in common.
        image_size: Height and width, in pixels.
        channels: 3 for RGB, 1 for grey.
        seed: Seed of the whole set.

    Returns:
        uint8 (image_size, image_size, channels), 0..255: the same on every machine.
    """
    dice = Dice(seed, _STREAM, index)
    canvas = Canvas(image_size)
    _background(canvas, dice, indoors=0.4 if label else 0.6)
    look = _dog(dice) if label else _cat(dice)
    scale = dice.bell(0.17, 0.38)
    # Large heads may leave the picture, small ones move about in it.
    reach = 0.24
    x, y = 0.5 + dice.bell(-reach, reach), 0.45 + dice.bell(-reach, reach)
    roll, mirrored = dice.bell(-32, 32), dice.chance(0.5)
    outlines = _body(canvas, dice, look, Frame(x, y, scale, roll * 0.3, mirrored))
    outlines += _head(canvas, dice, look, Frame(x, y, scale, roll, mirrored), dice.bell(-1.2, 1.2))
    animal = canvas.reduced(canvas.stencil(outlines)) / np.float32(255)
    return to_pixels(light(canvas.reduced(), animal, dice), channels)


class SampleSource(Source):
    """Drawn cats and dogs as a source: `cat/00000.png`, `cat/00001.png`, … `dog/00000.png` and so on.

    A picture depends on the seed, its path, its size and its channels only: not on how many there are, nor on the
    order in which they are asked for.

    Args:
        count: How many pictures there are, half of them of each class (of an odd number, one cat more).
        image_size: Height and width, in pixels.
        channels: 3 for RGB, 1 for grey.
        seed: Seed of all pictures, 0 or more.
    """

    def __init__(self, count: int, image_size: int, channels: int, seed: int) -> None:
        self.class_names = ["cat", "dog"]
        self.rejected: list[tuple[str, str]] = []
        self._image_size, self._channels, self._seed = image_size, channels, seed
        made_of = f"drawing {VERSION}, seed {seed}, {image_size}x{image_size}x{channels}"
        self._entries = [
            Entry(f"{name}/{number:05d}.png", label, "", -1, made_of)
            for label, name in enumerate(self.class_names)
            for number in range((count + 1 - label) // 2)
        ]

    def entries(self) -> list[Entry]:
        """Lists the pictures, cats first; none is drawn yet."""
        return self._entries

    def read(self, entry: Entry) -> np.ndarray:
        """Draws a picture: uint8 (image_size, image_size, channels), 0..255."""
        folder, _, name = entry.path.partition("/")
        label = self.class_names.index(folder)
        index = 2 * int(name.removesuffix(".png")) + label
        return draw(label, index, self._image_size, self._channels, self._seed)
