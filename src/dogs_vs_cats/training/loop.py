"""Training one Keras model: phases, best epoch, early stopping, and resuming where an interrupted run stopped."""

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dogs_vs_cats.errors import TrainingError, is_out_of_memory
from dogs_vs_cats.models.frozen_base import weights_hash
from dogs_vs_cats.progress import progress
from dogs_vs_cats.training.checkpoint import Checkpoint, TrainState, best_row, without_images
from dogs_vs_cats.training.duration import Announcement
from dogs_vs_cats.training.events import EpochEnd, publish
from dogs_vs_cats.training.inputs import TrainingInputs
from dogs_vs_cats.training.phases import Phase, averaged_weights, is_constant, learning_rate
from dogs_vs_cats.training.plan import Training, compile_for

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_STATES = 5.0
"""Shorter epochs don't each save their state: writing it would take longer than training them again."""

_FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")


def train(training: Training, state_folder: Path) -> TrainState:
    """Trains a model through its phases.

    With `keep_best_epoch` each phase starts from the best weights of those before it, and the model ends with the best
    of all phases. Early stopping compares the epochs of one phase with each other.

    The state after the last finished epoch (weights, optimizer, seeds, history) stays in `state_folder` until the
    training ends. A training of the same identity resumes there, and ends with the same weights as one that was never
    interrupted.

    Args:
        training: The model, its phases, its data and its parameters.
        state_folder: Folder for the state.

    Returns:
        The history of all phases. The model has the weights of the best epoch of all or of the last.

    Raises:
        TrainingError: The loss stopped being a number, or a batch didn't fit into memory.
    """
    model, state, checkpoints = training.model, training.start, []
    if training.phases and state.history and training.inputs.parameters.keep_best_epoch:
        state = replace(state, best_weights=_values(model))
    initial = weights_hash(without_images(model.weights))
    identity = json.dumps({**training.inputs.identity(), "seed": training.seed, "weights": initial}, sort_keys=True)
    for phase in training.phases:
        _assign(model, state.best_weights)
        for layer in phase.unfrozen:
            layer.trainable = True
        compile_for(training, phase)
        checkpoints.append(Checkpoint(state_folder / f"seed_{training.seed}_{phase.name}.npz", identity, model))
        epochs = _Epochs(training, phase, checkpoints[-1], state)
        if not epochs.is_over:
            _fit(training, epochs)
        # Averages of the weights, if any, take their place, as `fit` does when it ends.
        model.optimizer.finalize_variable_values(model.trainable_variables)
        state = epochs.state
    if state.best_weights and state.best:
        _assign(model, state.best_weights)
        text = "%s: the model has the weights of epoch %d (%s), which has the lowest validation loss"
        logger.info(text, training.inputs.name, state.best["epoch"], state.best["phase"])
    for checkpoint in checkpoints:
        checkpoint.path.unlink(missing_ok=True)
    return replace(state, best_weights=())


def count_weights(weights: Sequence[keras.Variable]) -> int:
    """Number of values in some weights."""
    return int(sum(np.prod(weight.shape) for weight in weights))


def publish_epoch(inputs: TrainingInputs, row: Mapping[str, Any]) -> None:
    """Publishes a row of the history."""
    figures = {name: value for name, value in row.items() if isinstance(value, float)}
    publish(EpochEnd(inputs.name, row["seed"], row["epoch"], figures, inputs.trial))


def log_epoch(inputs: TrainingInputs, what: str, row: Mapping[str, Any], seconds: float) -> None:
    """Logs the figures of a row of the history; `what` says what was trained in that time."""
    validation = "no validation"
    if row["val_loss"] is not None:
        validation = "validation: loss {val_loss:.4f}, accuracy {val_accuracy:.3f}".format_map(row)
    text = "loss {loss:.4f}, accuracy {accuracy:.3f}".format_map(row)
    logger.info("%s: %s, %s; %s (%.1f s)", inputs.name, what, text, validation, seconds)


def _values(model: keras.Model) -> tuple[np.ndarray, ...]:
    return tuple(keras.ops.convert_to_numpy(weight) for weight in without_images(model.weights))


def _assign(model: keras.Model, weights: Sequence[np.ndarray]) -> None:
    """Gives a model the weights of its best epoch, where one was chosen."""
    if weights:
        for variable, value in zip(without_images(model.weights), weights, strict=True):
            variable.assign(value)


def _fit(training: Training, epochs: "_Epochs") -> None:
    inputs = training.inputs
    class_weight = inputs.class_weight
    batches = training.prepared_batches(training.batches, class_weight)
    try:
        training.model.fit(
            batches,
            validation_data=None if training.separate_validation_model else epochs.validation or None,
            initial_epoch=len(epochs.state.history),
            epochs=epochs.last_epoch,
            class_weight=class_weight if batches is training.batches else None,
            shuffle=False,
            verbose=0,
            callbacks=[training.batches.callback(), epochs, epochs.announcement()],
        )
    except Exception as error:
        if is_out_of_memory(error):
            raise TrainingError(
                f"{inputs.name} ran out of memory with {inputs.name}.batch_size="
                f"{inputs.parameters.batch_size}. Set a smaller one."
            ) from error
        raise
    finally:
        epochs.bar.close()


class _Epochs(keras.callbacks.Callback):
    """The epochs of one phase: shows, checks, publishes and records each, and saves the state now and then."""

    def __init__(self, training: Training, phase: Phase, checkpoint: Checkpoint, state: TrainState):
        """Restores the state of an interrupted run, if there is one; otherwise starts from `state`."""
        super().__init__()
        self._training, self._phase, self._checkpoint = training, phase, checkpoint
        self._name = training.inputs.name
        self._first = len(state.history)
        self._saved_at = time.monotonic()
        self.bar = ExitStack()
        self.last_epoch = self._first + phase.epochs
        self.validation = training.prepared_batches(training.validation)
        self.state = checkpoint.restore() or state
        for row in self.state.history[self._first :]:
            publish_epoch(training.inputs, row)
        if len(self.state.history) > self._first:
            logger.info("%s: resuming after epoch %d of an interrupted run", self._name, len(self.state.history))

    @property
    def is_over(self) -> bool:
        """Whether the phase has had all its epochs, or stops early."""
        return len(self.state.history) == self.last_epoch or self._stops_early()

    def announcement(self) -> Announcement:
        """Says how long the epochs that are left will take."""
        what = f"{self._name}: {'fine-tuning' if self._phase.name == 'fine_tuning' else 'training'}"
        return Announcement(what, self.last_epoch - len(self.state.history), len(self._training.validation))

    def _stops_early(self) -> bool:
        patience = self._training.inputs.parameters.early_stopping_patience
        best = best_row(self.state.history[self._first :])
        return patience is not None and best is not None and len(self.state.history) - best["epoch"] >= patience

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._started = time.perf_counter()
        self._steps_shown = 0
        self._learning_rate = self._phase.learning_rate
        if not is_constant(self._training.inputs.parameters):
            self._learning_rate = learning_rate(self.model.optimizer)
        title = f"{self._name} epoch {epoch + 1}/{self.last_epoch}"
        self._advance = self.bar.enter_context(progress(title, self.params["steps"], "steps"))

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._advance(batch + 1 - self._steps_shown)
        self._steps_shown = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.bar.close()
        figures = dict(logs or {})
        averages = self._training.inputs.parameters.ema is not None
        with averaged_weights(self.model) if averages else nullcontext():
            if (model := self._training.separate_validation_model) and len(self.validation):
                validated = model.evaluate(self.validation, verbose=0, return_dict=True)
                figures |= {f"val_{name}": value for name, value in validated.items()}
            seconds = time.perf_counter() - self._started
            row = {
                "seed": self._training.seed,
                "epoch": epoch + 1,
                "phase": self._phase.name,
                **{name: float(figures[name]) if name in figures else None for name in _FIGURES},
                "learning_rate": self._learning_rate,
            }
            self._refuse_nan(row)
            publish_epoch(self._training.inputs, row)
            log_epoch(self._training.inputs, f"epoch {row['epoch']}/{self.last_epoch}", row, seconds)
            self._record(row, seconds)
        # The last epoch's state would be deleted as soon as it is written.
        ends = self.is_over and self._phase is self._training.phases[-1]
        if not ends and time.monotonic() - self._saved_at >= SECONDS_BETWEEN_STATES:
            self._checkpoint.save(self.state)
            self._saved_at = time.monotonic()

    def _record(self, row: dict[str, Any], seconds: float) -> None:
        """Adds an epoch to the state, with the weights that the model has now if it is the best."""
        history = (*self.state.history, row)
        self.state = replace(self.state, history=history, seconds=self.state.seconds + seconds)
        if self._training.inputs.parameters.keep_best_epoch and best_row(history) is row:
            self.state = replace(self.state, best_weights=())  # frees the earlier ones before these are copied
            self.state = replace(self.state, best_weights=_values(self.model))
        if self._stops_early():
            logger.info("%s: stops early, the validation loss has stopped falling", self._name)
        self.model.stop_training = self.is_over

    def _refuse_nan(self, row: dict[str, Any]) -> None:
        for loss in ("loss", "val_loss"):
            if row[loss] is not None and not math.isfinite(row[loss]):
                rate = f"{self._name}.{self._phase.learning_rate_parameter} is {self._phase.learning_rate:g}"
                raise TrainingError(
                    f"{self._name}: the {loss} is {row[loss]} after epoch {row['epoch']}. A learning rate that is too "
                    f"high does this; {rate}: try a tenth of it."
                )
