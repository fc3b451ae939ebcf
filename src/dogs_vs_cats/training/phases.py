"""A phase of training: what it trains, and the optimizer that does, with its schedule and its weight decay."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from dogs_vs_cats.parameters.training import TrainingParameters


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs with one learning rate, or one schedule of it, and one set of trainable layers.

    Attributes:
        name: `head` or `fine_tuning`.
        epochs: Number of epochs.
        learning_rate: Step size; the largest one of a schedule.
        unfrozen: Frozen layers that are trained from this phase on.
    """

    name: str
    epochs: int
    learning_rate: float
    unfrozen: Sequence[keras.layers.Layer] = ()


def create_optimizer(
    parameters: TrainingParameters, phase: Phase, variables: Sequence[keras.Variable], steps: int
) -> keras.optimizers.Optimizer:
    """Creates the optimizer of a phase.

    Args:
        parameters: Name the optimizer, the schedule and the weight decay.
        phase: Gives the epochs and the learning rate.
        variables: What it will train.
        steps: Steps in an epoch.

    Returns:
        An optimizer whose state includes all that the learning rate depends on. It isn't built yet.
    """
    optimizer = type(keras.optimizers.get(parameters.optimizer))
    rate = _schedule(parameters, phase.learning_rate, phase.epochs * steps, steps)
    if parameters.weight_decay is None:
        return optimizer(learning_rate=rate)
    created = optimizer(learning_rate=rate, weight_decay=parameters.weight_decay)
    created.exclude_from_weight_decay([variable for variable in variables if "kernel" not in variable.name])
    return created


def learning_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate of the next step."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def is_constant(parameters: TrainingParameters) -> bool:
    """Whether the learning rate is the same in all steps of a phase."""
    return parameters.schedule == "constant" and not parameters.warmup_epochs


def _schedule(parameters: TrainingParameters, rate: float, steps: int, steps_per_epoch: int) -> Any:
    """The learning rate as a function of the optimizer's step counter, so that interrupted trainings resume in it."""
    cosine = keras.optimizers.schedules.CosineDecay
    warmup = min(round(parameters.warmup_epochs * steps_per_epoch), steps - 1)
    if not warmup:
        return cosine(rate, decay_steps=steps) if parameters.schedule == "cosine" else rate
    # A cosine that falls to 1 times the rate is constant.
    floor = 0.0 if parameters.schedule == "cosine" else 1.0
    return cosine(0.0, steps - warmup, alpha=floor, warmup_target=rate, warmup_steps=warmup)
