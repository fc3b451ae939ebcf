"""Training one Keras model: phases, best epoch, early stopping, and going on where a killed run stopped."""

import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from dogs_vs_cats.compute.backend import compile_updates
from dogs_vs_cats.errors import TrainingError, is_out_of_memory
from dogs_vs_cats.images.batches import RowBatches
from dogs_vs_cats.progress import Advance, progress
from dogs_vs_cats.training.checkpoint import Checkpoint, Rows, weights_hash, without_images
from dogs_vs_cats.training.devices import EvenBatches
from dogs_vs_cats.training.events import EpochEnd, publish
from dogs_vs_cats.training.inputs import TrainingInputs

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_STATES = 5.0
"""Shorter epochs don't each save their state: writing it would take longer than training them again."""


@dataclass(frozen=True)
class Training:
    """What is trained, on what, and how.

    Attributes:
        inputs: Parameters of the approach, how to compute, and the source of the batches.
        seed: Seed of the weights and the batches.
        model: The model to train, uncompiled; its weights change in place.
        batches: Training batches; batch i of epoch e is a function of e and i alone.
        validation: Validation batches; None where there are no validation images.
        validation_model: The model for the `validation` batches, where that isn't `model`: it shares the weights of
            `model`, and takes something else than images.
        devices: How many devices share each batch. More than one need a surrounding `data_parallel`.
        steps_per_execution: Steps in one call of the compiled function, where `compute` leaves them open.
    """

    inputs: TrainingInputs
    seed: int
    model: keras.Model
    batches: RowBatches
    validation: RowBatches | None
    validation_model: keras.Model | None = None
    devices: int = 1
    steps_per_execution: int = 1


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs with one learning rate and one set of trainable layers.

    Attributes:
        name: `head` or `fine_tuning`.
        epochs: Number of epochs.
        learning_rate: Step size, at the beginning of the phase.
        schedule: `constant`, or `cosine`: the step size falls to 0 over the phase.
        prepare: Called before the phase, for instance to unfreeze layers.
    """

    name: str
    epochs: int
    learning_rate: float
    schedule: Literal["constant", "cosine"] = "constant"
    prepare: Callable[[], None] = field(default=lambda: None)


@dataclass(frozen=True)
class TrainResult:
    """How a training went.

    Attributes:
        history: A row for each epoch: `seed`, `epoch` (from 1, through all phases), `phase`, `loss`, `accuracy`,
            `val_loss`, `val_accuracy` (both None without validation images), `learning_rate` (at the beginning of the
            epoch).
        seconds: Time spent in these epochs, those of an interrupted run included.
    """

    history: Rows
    seconds: float

    @property
    def best(self) -> dict[str, Any] | None:
        """The first row with the lowest validation loss; None without validation images."""
        return _best(self.history)


@dataclass(frozen=True)
class TrainedModel:
    """A model that keeps the model contract, uncompiled.

    Attributes:
        model: Raw images in, probabilities out.
        result: How its training went.
        trainable_parameters: Number of parameters that training changed.
    """

    model: keras.Model
    result: TrainResult
    trainable_parameters: int


def train(training: Training, phases: Sequence[Phase], state_folder: Path) -> TrainResult:
    """Trains a model through its phases.

    With `keep_best_epoch` each phase starts from the best weights of those before it, and the model ends with the best
    of all phases. Early stopping compares the epochs of one phase with each other.

    The state after the last finished epoch (weights, optimizer, seeds, history) is kept in `state_folder` until
    the training ends. A training of the same identity goes on from there, and ends with the same weights as one
    that was never disturbed.

    Args:
        training: The model, its data and its parameters.
        phases: One or more.
        state_folder: Folder for the state.

    Returns:
        The history of all phases. The model has the weights of the best epoch of all or of the last.

    Raises:
        TrainingError: The loss stopped being a number, or a batch didn't fit into memory.
    """
    name, model = training.inputs.name, training.model
    text = json.dumps({**training.inputs.identity(), "seed": training.seed}, sort_keys=True)
    identity = weights_hash(text, model)
    epochs = _Epochs(training)
    checkpoints = []
    for number, phase in enumerate(phases):
        _assign(model, epochs.best)
        phase.prepare()
        _compile(training, phase)
        checkpoint = Checkpoint(state_folder / f"seed_{training.seed}_phase_{number}.npz", identity, model)
        checkpoints.append(checkpoint)
        epochs.begin(phase, checkpoint, is_last=phase is phases[-1])
        if not epochs.is_over:
            _fit(training, epochs)
    result = TrainResult(epochs.history, epochs.seconds)
    if epochs.best and result.best:
        _assign(model, epochs.best)
        which = f"{result.best['epoch']} ({result.best['phase']})" if len(phases) > 1 else result.best["epoch"]
        logger.info("%s: the model has the weights of epoch %s, which has the lowest validation loss", name, which)
    for checkpoint in checkpoints:
        checkpoint.delete()
    return result


def loss_function(classes: int) -> keras.losses.Loss:
    """What is minimised: binary cross-entropy for two classes, categorical on numbered labels for more."""
    return keras.losses.BinaryCrossentropy() if classes == 2 else keras.losses.SparseCategoricalCrossentropy()


def count_weights(weights: Sequence[keras.Variable]) -> int:
    """Number of values in some weights."""
    return int(sum(np.prod(weight.shape) for weight in weights))


def _best(rows: Rows) -> dict[str, Any] | None:
    validated = [row for row in rows if row["val_loss"] is not None]
    return min(validated, key=lambda row: row["val_loss"], default=None)


def _assign(model: keras.Model, weights: Sequence[np.ndarray]) -> None:
    """Gives a model the weights of its best epoch, where one was chosen."""
    if weights:
        for variable, value in zip(without_images(model.weights), weights, strict=True):
            variable.assign(value)


def _compile(training: Training, phase: Phase) -> None:
    compute = training.inputs.compute
    is_binary = training.inputs.data.classes == 2
    accuracy = keras.metrics.BinaryAccuracy if is_binary else keras.metrics.SparseCategoricalAccuracy
    rate: Any = phase.learning_rate
    if phase.schedule == "cosine":
        # A function of the optimizer's step counter, so that an interrupted training goes on where it was.
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=phase.epochs * len(training.batches))
    optimizer = type(keras.optimizers.get(training.inputs.parameters.optimizer))(learning_rate=rate)
    if training.devices == 1:
        compile_updates(optimizer, compute)
    # Rows that only fill up a batch weigh nothing in weighted metrics.
    kind = "metrics" if training.devices == 1 else "weighted_metrics"
    automatic = compute.steps_per_execution == "auto"
    steps = training.steps_per_execution if automatic else compute.steps_per_execution
    for model, further in (
        (training.model, {"optimizer": optimizer, "steps_per_execution": steps}),
        (training.validation_model, {}),
    ):
        if model is not None:
            measured = {"loss": loss_function(training.inputs.data.classes), kind: [accuracy(name="accuracy")]}
            model.compile(**measured, jit_compile=compute.jit_compile, **further)
    # Builds the optimizer's variables now, so that a saved state can be put into them.
    optimizer.build(training.model.trainable_variables)


def _fit(training: Training, epochs: "_Epochs") -> None:
    inputs = training.inputs
    batches: keras.utils.PyDataset = training.batches
    validation: keras.utils.PyDataset | None = training.validation
    class_weight = training.inputs.data.class_weight() if inputs.parameters.class_weights else None
    if training.devices > 1:
        batches = EvenBatches(training.batches, training.devices, class_weight)
        validation = EvenBatches(training.validation, training.devices, None) if training.validation else None
        class_weight = None
    callbacks = [training.batches.callback(), epochs]
    if training.validation_model is not None and validation is not None:
        # Before the one that reads the validation loss.
        callbacks.insert(1, _validation_callback(training.validation_model, validation))
        validation = None
    try:
        training.model.fit(
            batches,
            validation_data=validation,
            initial_epoch=len(epochs.history),
            epochs=epochs.last_epoch,
            class_weight=class_weight,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
    except Exception as error:
        if is_out_of_memory(error):
            raise TrainingError(
                f"{inputs.name} ran out of memory with {inputs.name}.batch_size="
                f"{inputs.parameters.batch_size}. Set a smaller one."
            ) from error
        raise


def _validation_callback(model: keras.Model, batches: keras.utils.PyDataset) -> keras.callbacks.Callback:
    """Adds `val_loss` and `val_accuracy` to the figures of an epoch, as `fit` does with the model that it trains."""

    def validate(epoch: int, logs: dict[str, float]) -> None:
        logs |= {f"val_{name}": value for name, value in model.evaluate(batches, verbose=0, return_dict=True).items()}

    return keras.callbacks.LambdaCallback(on_epoch_end=validate)


class _Epochs(keras.callbacks.Callback):
    """What happens at the end of an epoch: history, events, best weights, early stopping, saved state."""

    def __init__(self, training: Training):
        super().__init__()
        self.history: Rows = ()
        self.seconds = 0.0
        self.best: list[np.ndarray] = []
        self._training = training
        self._bar = ExitStack()

    def begin(self, phase: Phase, checkpoint: Checkpoint, is_last: bool) -> None:
        """Begins a phase, after the epochs of an interrupted run if there are any."""
        self._phase, self._checkpoint, self._is_last_phase = phase, checkpoint, is_last
        self._first = len(self.history)
        self.last_epoch = self._first + phase.epochs
        self._saved_at = time.monotonic()
        if restored := checkpoint.restore():
            self.history, self.seconds, self.best = restored
            name = self._training.inputs.name
            logger.info("%s: going on after epoch %d of an interrupted run", name, len(self.history))
            for row in self.history[self._first :]:
                self._publish(row)

    @property
    def is_over(self) -> bool:
        """Whether the phase has had all its epochs, or stops early."""
        return len(self.history) == self.last_epoch or self._stops_early()

    def _stops_early(self) -> bool:
        patience = self._training.inputs.parameters.early_stopping_patience
        best = _best(self.history[self._first :])
        return patience is not None and best is not None and self.history[-1]["epoch"] - best["epoch"] >= patience

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._started = time.perf_counter()
        self._steps_shown = 0
        self._learning_rate = self._phase.learning_rate
        if self._phase.schedule != "constant":
            self._learning_rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        title = f"{self._training.inputs.name} epoch {epoch + 1}/{self.last_epoch}"
        self._advance: Advance = self._bar.enter_context(progress(title, self.params["steps"], "steps"))

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._advance(batch + 1 - self._steps_shown)
        self._steps_shown = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._bar.close()
        seconds = time.perf_counter() - self._started
        row = self._row(epoch + 1, logs or {})
        self._refuse_nan(row)
        self._publish(row)
        self._log(row, seconds)
        self.history, self.seconds = (*self.history, row), self.seconds + seconds
        if self._training.inputs.parameters.keep_best_epoch and _best(self.history) is row:
            self.best = [keras.ops.convert_to_numpy(weight) for weight in without_images(self.model.weights)]
        if self._stops_early():
            name, since = self._training.inputs.name, _best(self.history[self._first :])
            logger.info("%s: stops early, no better epoch since epoch %d", name, since["epoch"] if since else 0)
        self.model.stop_training = self.is_over
        self._save()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._bar.close()

    def _row(self, epoch: int, logs: dict[str, float]) -> dict[str, Any]:
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        return {
            "seed": self._training.seed,
            "epoch": epoch,
            "phase": self._phase.name,
            **{name: float(logs[name]) if name in logs else None for name in names},
            "learning_rate": self._learning_rate,
        }

    def _refuse_nan(self, row: dict[str, Any]) -> None:
        name = self._training.inputs.name
        for loss in ("loss", "val_loss"):
            if row[loss] is not None and not math.isfinite(row[loss]):
                raise TrainingError(
                    f"{name}: the {loss} is {row[loss]} after epoch {row['epoch']}. A learning rate that is too high "
                    f"does this; {name}.learning_rate is {self._phase.learning_rate:g}: try a tenth of it."
                )

    def _publish(self, row: dict[str, Any]) -> None:
        figures = {name: value for name, value in row.items() if isinstance(value, float)}
        publish(EpochEnd(self._training.inputs.name, self._training.seed, row["epoch"], figures))

    def _log(self, row: dict[str, Any], seconds: float) -> None:
        validation = "no validation"
        if row["val_loss"] is not None:
            validation = f"validation: loss {row['val_loss']:.4f}, accuracy {row['val_accuracy']:.3f}"
        name, epoch = self._training.inputs.name, f"{row['epoch']}/{self.last_epoch}"
        figures = (row["loss"], row["accuracy"], validation, seconds)
        logger.info("%s: epoch %s, loss %.4f, accuracy %.3f; %s (%.1f s)", name, epoch, *figures)

    def _save(self) -> None:
        if self.is_over and self._is_last_phase:
            return
        if self.is_over or time.monotonic() - self._saved_at >= SECONDS_BETWEEN_STATES:
            self._checkpoint.save(self.history, self.seconds, self.best)
            self._saved_at = time.monotonic()
