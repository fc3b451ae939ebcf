"""Events of training: an epoch has ended, a trial of a search begins or ends.

Training publishes, tracking subscribes; neither imports the other.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dogs_vs_cats.compute.turns import turn_kept


@dataclass(frozen=True)
class EpochEnd:
    """The facts that are known at the end of an epoch.

    Attributes:
        approach: Name of the approach being trained.
        seed: Seed of this training; an approach with several `seeds` trains once for each.
        epoch: Number of the epoch, from 1, counted through all phases.
        logs: `loss`, `accuracy`, `learning_rate` and, with validation images, `val_loss` and `val_accuracy` after the
            epoch.
        trial: Number of the trial that trains, if a search does.
    """

    approach: str
    seed: int
    epoch: int
    logs: dict[str, float]
    trial: int | None = None


@dataclass(frozen=True)
class TrialBegin:
    """A search begins to train with some values.

    Attributes:
        approach: Name of the approach whose parameters are searched.
        trial: Number of the trial, from 1.
        parameters: The approach's whole block of parameters in this trial.
        values: Those of them that are searched.
    """

    approach: str
    trial: int
    parameters: Mapping[str, Any]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class TrialEnd:
    """A trial is over.

    Attributes:
        approach: As in its `TrialBegin`.
        trial: As in its `TrialBegin`.
        outcome: `finished` or `pruned`.
        val_loss: Validation log loss of the weights that the training kept; None for a pruned trial.
    """

    approach: str
    trial: int
    outcome: str
    val_loss: float | None


Event = EpochEnd | TrialBegin | TrialEnd
Observer = Callable[[Event], None]

_observers: list[Observer] = []


def subscribe(observer: Observer) -> None:
    """Calls `observer` with every event from now on."""
    _observers.append(observer)


def unsubscribe(observer: Observer) -> None:
    """Stops calling `observer`; does nothing for one that was never subscribed."""
    if observer in _observers:
        _observers.remove(observer)


@contextmanager
def quietly() -> Iterator[None]:
    """Keeps what trainings inside say of their epochs to themselves: they are only a part of something.

    No observer is called. Of the log only the warnings remain, without TensorFlow's that it compiles each new model.
    This holds for all threads, so the turn is kept.
    """
    observers, loggers = tuple(_observers), [logging.getLogger(name) for name in (__package__, "tensorflow")]
    levels = [logger.level for logger in loggers]
    _observers.clear()
    for logger, level in zip(loggers, (logging.WARNING, logging.ERROR), strict=True):
        logger.setLevel(level)
    try:
        with turn_kept():
            yield
    finally:
        _observers[:] = observers
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def publish(event: Event) -> None:
    """Calls every observer with `event`, in the order of their subscription."""
    for observer in tuple(_observers):
        observer(event)
