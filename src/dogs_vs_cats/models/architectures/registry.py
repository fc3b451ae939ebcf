"""The classifiers of images in the zoo, by name; nothing here imports Keras before a network is built."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dogs_vs_cats.compute.lazy_types import Model

Builder = TypeVar("Builder", bound=Callable[..., Model])


@dataclass(frozen=True)
class Architecture:
    """A network of the zoo.

    Attributes:
        build: Takes the shape of the images, the number of classes and, where the network has any, a `dropout`.
        with_auxiliaries: Adds the auxiliary classifiers that the network is trained with to a model of it.
    """

    build: Callable[..., Model]
    with_auxiliaries: Callable[[Model, int], Model] | None

    @property
    def has_dropout(self) -> bool:
        """Whether a dropout can be set."""
        return "dropout" in inspect.signature(self.build).parameters


ARCHITECTURES: dict[str, Architecture] = {}
"""All networks by the names of their builders; importing `dogs_vs_cats.models.architectures` fills it."""


def register(with_auxiliaries: Callable[[Model, int], Model] | None = None) -> Callable[[Builder], Builder]:
    """Makes the decorator that puts a builder into the zoo."""

    def decorate(build: Builder) -> Builder:
        ARCHITECTURES[build.__name__] = Architecture(build, with_auxiliaries)
        return build

    return decorate
