"""A phase of training: what it trains, and the optimizer that does, with its schedule and its weight decay."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
        unfrozen: Frozen layers of the base that are trained from this phase on, in the order of computation.
        layer_decay: Factor of the learning rate from each block of `unfrozen` to the one below it, and from the head to
            the first.
    """

    name: str
    epochs: int
    learning_rate: float
    unfrozen: Sequence[keras.layers.Layer] = ()
    layer_decay: float = 1

    @property
    def learning_rate_parameter(self) -> str:
        """Name of the parameter that gives the learning rate."""
        return "fine_tuning_learning_rate" if self.name == "fine_tuning" else "learning_rate"


def create_optimizer(
    parameters: TrainingParameters, phase: Phase, variables: Sequence[keras.Variable], steps: int
) -> keras.optimizers.Optimizer:
    """Creates the optimizer of a phase: one for all that has the same learning rate, in a `MultiOptimizer` if need be.

    Args:
        parameters: Name the optimizer, the schedule, the weight decay and the average of the weights.
        phase: Gives the epochs and the learning rate.
        variables: The variables that it will train.
        steps: Steps in an epoch.

    Returns:
        An optimizer whose state includes all that the learning rate depends on. It isn't built yet.
    """
    factors = _factors(phase)
    if not factors:
        return _create(parameters, phase, variables, steps, 1)
    every = {factor: _create(parameters, phase, variables, steps, factor) for factor in {1.0, *factors.values()}}
    return keras.optimizers.MultiOptimizer(lambda variable: every[factors.get(id(variable), 1.0)])


def _create(
    parameters: TrainingParameters, phase: Phase, variables: Sequence[keras.Variable], steps: int, factor: float
) -> keras.optimizers.Optimizer:
    options: dict[str, Any] = {}
    if parameters.weight_decay is not None:
        options["weight_decay"] = parameters.weight_decay
    if parameters.ema is not None:
        options |= {"use_ema": True, "ema_momentum": parameters.ema}
    rate = _schedule(parameters, factor * phase.learning_rate, phase.epochs * steps, steps)
    optimizer = type(keras.optimizers.get(parameters.optimizer))(learning_rate=rate, **options)
    if parameters.weight_decay is not None:
        optimizer.exclude_from_weight_decay([variable for variable in variables if "kernel" not in variable.name])
    return optimizer


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Gives a model, while it is trained with `ema`, the averages of its weights for the time of the block.

    `keras.callbacks.SwapEMAWeights` does that by additions, from which weights come back rounded, and leaves the
    averages behind where a training stops early.
    """
    variables = model.trainable_variables
    own = [keras.ops.copy(variable) for variable in variables]
    model.optimizer.finalize_variable_values(variables)
    for variable in variables:
        # Under JAX an average and its weight would share a buffer, which an evaluation of the model frees.
        variable.assign(keras.ops.copy(variable))
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)


def learning_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate of the next step; the highest one where layers differ."""
    several = isinstance(optimizer, keras.optimizers.MultiOptimizer)
    every = optimizer.optimizers if several else [optimizer]
    return max(float(keras.ops.convert_to_numpy(one.learning_rate)) for one in every)


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


def _factors(phase: Phase) -> dict[int, float]:
    """For the id of each unfrozen weight the factor of its learning rate; empty where all are 1.

    Layers whose names begin with the same block, such as `block5_conv1` and `block5_conv2`, or
    `conv5_block3_1_conv` and `conv5_block3_2_conv`, belong together; others are blocks by themselves.
    """
    if phase.layer_decay == 1:
        return {}
    blocks: dict[str, list[int]] = {}
    for layer in reversed(phase.unfrozen):
        block = re.match(r".*?block_?\d+[a-z]?(?=_|$)", layer.name)
        weights = blocks.setdefault(block[0] if block else layer.name, [])
        weights += map(id, layer.trainable_weights)
    weighty = filter(None, blocks.values())
    return {weight: phase.layer_decay**depth for depth, weights in enumerate(weighty, start=1) for weight in weights}
