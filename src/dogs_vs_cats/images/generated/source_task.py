"""Drawn motifs to learn seeing from: the task on which the project's own small base is trained.

There are no animals in it. What a network must tell apart here (points that rise, lobes that hang, rings and slits,
bars and dots, fine rays) is what animals and most other things are made of, so its filters are of use elsewhere.
"""

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

SOURCE_TASK_CLASSES: tuple[str, ...] = (
    "bars",
    "crescent",
    "disc",
    "dots",
    "drop",
    "lens",
    "rays",
    "ring",
    "spike",
    "wave",
)

_STREAM = 2
_CORNERS = np.array([(0.0, 0.0), (1, 0), (1, 1), (0, 1)])


def _colour(dice: Dice) -> Colour:
    return dice.whole(30, 235), dice.whole(30, 235), dice.whole(30, 235)


def _blob(dice: Dice) -> Points:
    """A pebble of radius about 1."""
    turns = [
        (0.0, -1.0),
        (0.71, -0.71),
        (1.0, 0.0),
        (0.71, 0.71),
        (0.0, 1.0),
        (-0.71, 0.71),
        (-1.0, 0.0),
        (-0.71, -0.71),
    ]
    radii = [dice.uniform(0.75, 1.1) for _ in turns]
    return smooth([(x * radius, y * radius) for (x, y), radius in zip(turns, radii, strict=True)])


def _motif(name: str, dice: Dice, ink: Colour) -> list[tuple[Points, Colour]]:
    """The filled shapes of one motif, within about 1 of the origin."""
    dark, pale = shade(ink, 0.35), mix(ink, (245, 240, 232), 0.6)
    if name == "bars":
        bend, width = dice.uniform(-0.25, 0.25), dice.uniform(0.16, 0.3)
        return [(stroke([(x, -0.9), (x + bend, 0.0), (x, 0.9)], width), ink) for x in (-0.75, -0.25, 0.25, 0.75)]
    if name == "crescent":
        depth = dice.uniform(0.1, 0.45)
        return [
            (
                smooth(
                    [
                        (-1, -0.3),
                        (-0.6, 0.45),
                        (0, 0.8),
                        (0.6, 0.45),
                        (1, -0.3),
                        (0.5, depth * 0.5),
                        (0, depth),
                        (-0.5, depth * 0.5),
                    ]
                ),
                ink,
            )
        ]
    if name == "disc":
        return [(ellipse(0, 0, dice.uniform(0.6, 1), dice.uniform(0.6, 1), dice.uniform(0, 90)), ink)]
    if name == "dots":
        return [
            (
                ellipse(
                    x + dice.uniform(-0.12, 0.12),
                    y + dice.uniform(-0.12, 0.12),
                    dice.uniform(0.13, 0.24),
                    dice.uniform(0.13, 0.24),
                ),
                ink,
            )
            for x in (-0.7, 0, 0.7)
            for y in (-0.7, 0, 0.7)
        ]
    if name == "drop":
        wide = dice.uniform(0.4, 0.65)
        return [
            (
                smooth(
                    [
                        (-0.1, -1),
                        (wide * 0.6, -0.5),
                        (wide, 0.3),
                        (wide * 0.6, 0.9),
                        (-wide * 0.3, 0.95),
                        (-wide, 0.3),
                        (-wide * 0.5, -0.5),
                    ]
                ),
                ink,
            )
        ]
    if name == "lens":
        flat = dice.uniform(0.6, 1)
        return [
            (ellipse(0, 0, 1, flat), dark),
            (ellipse(0, 0, 0.85, flat * 0.85), pale),
            (ellipse(0, 0, 0.22, flat * 0.75), dark),
        ]
    if name == "rays":
        return [
            (stroke([(0.15, offset * 0.3), (0.6, offset * 0.6), (1.1, offset)], 0.11, 0.04), pale)
            for offset in (-0.6, -0.2, 0.2, 0.6)
        ] + [
            (stroke([(-0.15, offset * 0.3), (-0.6, offset * 0.6), (-1.1, offset)], 0.11, 0.04), pale)
            for offset in (-0.6, -0.2, 0.2, 0.6)
        ]
    if name == "ring":
        flat, hole = dice.uniform(0.75, 1), dice.uniform(0.45, 0.65)
        return [
            (ellipse(0, 0, 1, flat), dark),
            (ellipse(0, 0, 0.85, flat * 0.85), ink),
            (ellipse(0, 0, hole, flat * hole), dark),
        ]
    if name == "spike":
        wide, lean = dice.uniform(0.45, 0.8), dice.uniform(-0.4, 0.4)
        return [
            (np.array([(-wide, 0.8), (lean, -1.1), (wide, 0.8)]), ink),
            (
                np.array([(-wide * 0.5, 0.8), (lean, -0.5), (wide * 0.5, 0.8)]),
                pale if dice.chance(0.5) else shade(ink, 0.8),
            ),
        ]
    width = dice.uniform(0.16, 0.3)
    arcs = [
        (-1.0, -0.2),
        (-0.8, 0.2),
        (-0.5, 0.35),
        (-0.2, 0.2),
        (0.0, -0.2),
        (0.2, 0.2),
        (0.5, 0.35),
        (0.8, 0.2),
        (1.0, -0.2),
    ]
    return [(stroke(arcs, width), ink)]


def _draw(label: int, index: int, image_size: int, channels: int, seed: int) -> NDArray[np.uint8]:
    dice = Dice(seed, _STREAM, index)
    canvas = Canvas(image_size)
    canvas.gradient(_colour(dice), _colour(dice), dice.chance(0.5))
    for _ in range(dice.whole(0, 3)):
        # Straight-edged clutter, which no class is made of.
        frame = Frame(dice.uniform(-0.2, 1), dice.uniform(-0.2, 1), dice.uniform(0.15, 0.5), dice.uniform(0, 90))
        canvas.fill(frame(_CORNERS), _colour(dice))
    body = Frame(dice.uniform(0.3, 0.7), dice.uniform(0.3, 0.7), dice.uniform(0.25, 0.5))
    blob = body(_blob(dice))
    hide = _colour(dice)
    canvas.fill(blob, hide)
    name = SOURCE_TASK_CLASSES[label]
    ink = _colour(dice)
    if sum(abs(a - b) for a, b in zip(ink, hide, strict=True)) < 150:
        ink = mix(ink, (20, 18, 18) if sum(hide) > 380 else (245, 240, 235), 0.7)
    turn = dice.bell(-50, 50)
    for _ in range(dice.whole(3, 6)):
        at = body.moved(dice.uniform(-1, 1), dice.uniform(-1, 1))
        frame = at.resized(dice.uniform(0.07, 0.20), turn + dice.uniform(-15, 15))
        for points, colour in _motif(name, dice, ink):
            canvas.fill(frame(points), colour)
    furry = canvas.reduced(canvas.stencil([blob])) / np.float32(255)
    return to_pixels(light(canvas.reduced(), furry, dice), channels)


def source_task_images(
    count: int, image_size: int, channels: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draws the source task: the same pictures on every machine, and the first of them whatever the count.

    Args:
        count: How many pictures; classes take turns, so they are as even as the count allows.
        image_size: Height and width, in pixels.
        channels: 3 for RGB, 1 for grey.
        seed: Seed of the whole set.

    Returns:
        Images, uint8 (count, image_size, image_size, channels), 0..255, and labels, int64 (count,), which are
        indices into `SOURCE_TASK_CLASSES`.
    """
    labels = np.arange(count) % len(SOURCE_TASK_CLASSES)
    images = np.empty((count, image_size, image_size, channels), dtype=np.uint8)
    for index, label in enumerate(labels.tolist()):
        images[index] = _draw(label, index, image_size, channels, seed)
    return images, labels
