"""Training one Keras model: phases, best epoch, early stopping, and going on where a killed run stopped."""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from dogs_vs_cats.compute.backend import compile_updates
from dogs_vs_cats.errors import TrainingError, is_out_of_memory
from dogs_vs_cats.images.batches import RowBatches
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.training import TrainingParameters
from dogs_vs_cats.progress import Advance, progress
from dogs_vs_cats.storage.atomic import replace_atomically
from dogs_vs_cats.training.devices import EvenBatches
from dogs_vs_cats.training.events import EpochEnd, publish

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_STATES = 5.0
"""Shorter epochs don't each save their state: writing it would take longer than training them again."""


@dataclass(frozen=True)
class Training:
    """What is trained, on what, and how.

    Attributes:
        approach: Its name, for messages and events.
        seed: Seed of its weights and batches, for messages and events.
        model: The model to train, uncompiled; its weights change in place.
        batches: Training batches; batch i of epoch e is a function of e and i alone.
        validation: Validation batches; None where there are no validation images.
        classes: Number of classes.
        class_weight: Weight of each label, or None.
        parameters: Optimizer, early stopping and so on.
        compute: How to compute it.
        steps_per_execution: Steps in one call of the compiled function.
        validation_model: What answers for the `validation` batches, where that isn't `model`: it shares the weights of
            `model`, and takes something else than images.
        devices: How many devices share each batch. More than one need a surrounding `data_parallel`.
    """

    approach: str
    seed: int
    model: keras.Model
    batches: RowBatches
    validation: RowBatches | None
    classes: int
    class_weight: dict[int, float] | None
    parameters: TrainingParameters
    compute: ComputeParameters
    steps_per_execution: int
    validation_model: keras.Model | None = None
    devices: int = 1


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
class Outcome:
    """How a training has gone so far.

    Attributes:
        history: A row for each finished epoch: `seed`, `epoch` (from 1, through all phases), `phase`, `loss`,
            `accuracy`, `val_loss`, `val_accuracy` (both None without validation images), `learning_rate` (at the
            beginning of the epoch).
        seconds: Time spent in these epochs, those of an interrupted run included.
        best_loss: Lowest validation loss of all phases.
        best_epoch: Its epoch; 0 before the first.
        phase_best_loss: Lowest validation loss of the present phase, which early stopping goes by.
        phase_best_epoch: Its epoch.
        phase_finished: Whether the present phase is over.
    """

    history: tuple[dict[str, Any], ...] = ()
    seconds: float = 0.0
    best_loss: float = math.inf
    best_epoch: int = 0
    phase_best_loss: float = math.inf
    phase_best_epoch: int = 0
    phase_finished: bool = False


def train(training: Training, phases: Sequence[Phase], state_folder: Path, identity: str) -> Outcome:
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
        identity: All that the result depends on beside the initial weights, as text. A state of another
            identity is ignored.

    Returns:
        The history of all phases. The model has the weights of the best epoch of all or of the last.

    Raises:
        TrainingError: The loss stopped being a number, or a batch didn't fit into memory.
    """
    identity = _digest(identity, training.model)
    outcome = Outcome()
    best: list[np.ndarray] = []
    files = []
    for number, phase in enumerate(phases):
        _assign(training.model, best)
        phase.prepare()
        _compile(training, phase)
        state = _StateFile(state_folder / f"seed_{training.seed}_phase_{number}.npz", identity, training.model)
        files.append(state)
        first_epoch = len(outcome.history)
        outcome = replace(outcome, phase_best_loss=math.inf, phase_finished=False)
        if restored := state.restore():
            outcome, best = restored
            logger.info("%s: going on after epoch %d of an interrupted run", training.approach, len(outcome.history))
            for row in outcome.history[first_epoch:]:
                _publish(training, row)
        if not outcome.phase_finished:
            is_last = number == len(phases) - 1
            epochs = _Epochs(training, phase, first_epoch + phase.epochs, outcome, best, state, is_last)
            _fit(training, epochs, first_epoch + phase.epochs)
            outcome, best = epochs.outcome, epochs.best
    if best:
        _assign(training.model, best)
        logger.info(
            "%s: the model has the weights of epoch %d%s, which has the lowest validation loss",
            training.approach,
            outcome.best_epoch,
            f" ({outcome.history[outcome.best_epoch - 1]['phase']})" if len(phases) > 1 else "",
        )
    for state in files:
        state.delete()
    return outcome


def _assign(model: keras.Model, best: list[np.ndarray]) -> None:
    """Gives a model the weights of its best epoch, where one was chosen."""
    if best:
        for variable, value in zip(_without_images(model.weights), best, strict=True):
            variable.assign(value)


def _digest(identity: str, model: keras.Model) -> str:
    digest = hashlib.sha256(identity.encode())
    for variable in _without_images(model.weights):
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
    return digest.hexdigest()


def _without_images(variables: Sequence[keras.Variable]) -> list[keras.Variable]:
    """Leaves out `ResidentImages`, the only bytes there are among a model's variables."""
    return [variable for variable in variables if variable.dtype != "uint8"]


def loss_function(classes: int) -> keras.losses.Loss:
    """What is minimised: binary cross-entropy for two classes, categorical on numbered labels for more."""
    return keras.losses.BinaryCrossentropy() if classes == 2 else keras.losses.SparseCategoricalCrossentropy()


def _compile(training: Training, phase: Phase) -> None:
    loss = loss_function(training.classes)
    accuracy = keras.metrics.BinaryAccuracy if training.classes == 2 else keras.metrics.SparseCategoricalAccuracy
    rate: Any = phase.learning_rate
    if phase.schedule == "cosine":
        # A function of the optimizer's step counter, so that an interrupted training goes on where it was.
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=phase.epochs * len(training.batches))
    optimizer = keras.optimizers.get(training.parameters.optimizer)
    optimizer = type(optimizer)(learning_rate=rate)
    if training.devices == 1:
        compile_updates(optimizer, training.compute)
    # Rows that only fill up a batch weigh nothing in weighted metrics.
    kind = "metrics" if training.devices == 1 else "weighted_metrics"
    training.model.compile(
        optimizer=optimizer,
        loss=loss,
        **{kind: [accuracy(name="accuracy")]},
        jit_compile=training.compute.jit_compile,
        steps_per_execution=training.steps_per_execution,
    )
    if training.validation_model is not None:
        training.validation_model.compile(
            loss=loss, **{kind: [accuracy(name="accuracy")]}, jit_compile=training.compute.jit_compile
        )
    # Builds the optimizer's variables now, so that a saved state can be put into them.
    optimizer.build(training.model.trainable_variables)


def _fit(training: Training, epochs: "_Epochs", last_epoch: int) -> None:
    done = len(epochs.outcome.history)
    batches: keras.utils.PyDataset = training.batches
    validation: keras.utils.PyDataset | None = training.validation
    class_weight = training.class_weight
    if training.devices > 1:
        batches = EvenBatches(training.batches, training.devices, class_weight)
        validation = EvenBatches(training.validation, training.devices, None) if training.validation else None
        class_weight = None
    callbacks = [training.batches.callback(), epochs]
    if training.validation_model is not None and validation is not None:
        # Before the one that looks at what validation gave.
        callbacks.insert(1, _validation_callback(training.validation_model, validation))
    try:
        training.model.fit(
            batches,
            validation_data=validation if training.validation_model is None else None,
            initial_epoch=done,
            epochs=last_epoch,
            class_weight=class_weight,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
    except Exception as error:
        if is_out_of_memory(error):
            raise TrainingError(
                f"{training.approach} ran out of memory with {training.approach}.batch_size="
                f"{training.parameters.batch_size}. Set a smaller one."
            ) from error
        raise


def _validation_callback(model: keras.Model, batches: keras.utils.PyDataset) -> keras.callbacks.Callback:
    """Adds `val_loss` and `val_accuracy` to the figures of an epoch, as `fit` does with the model that it trains."""

    def validate(epoch: int, logs: dict[str, float]) -> None:
        logs |= {f"val_{name}": value for name, value in model.evaluate(batches, verbose=0, return_dict=True).items()}

    return keras.callbacks.LambdaCallback(on_epoch_end=validate)


class _Epochs(keras.callbacks.Callback):
    """What happens at the end of an epoch: history, events, best weights, early stopping, saved state."""

    def __init__(
        self,
        training: Training,
        phase: Phase,
        last_epoch: int,
        outcome: Outcome,
        best: list[np.ndarray],
        state: "_StateFile",
        is_last_phase: bool,
    ):
        super().__init__()
        self.outcome = outcome
        self.best = best
        self._training = training
        self._phase = phase
        self._last_epoch = last_epoch
        self._state = state
        self._is_last_phase = is_last_phase
        self._saved_at = time.monotonic()
        self._bar = ExitStack()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._started = time.perf_counter()
        self._steps_shown = 0
        self._learning_rate = self._phase.learning_rate
        if self._phase.schedule != "constant":
            self._learning_rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        title = f"{self._training.approach} epoch {epoch + 1}/{self._last_epoch}"
        self._advance: Advance = self._bar.enter_context(progress(title, self.params["steps"], "steps"))

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._advance(batch + 1 - self._steps_shown)
        self._steps_shown = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._bar.close()
        seconds = time.perf_counter() - self._started
        row = self._row(epoch + 1, logs or {})
        self._refuse_nan(row)
        _publish(self._training, row)
        validation = "no validation"
        if row["val_loss"] is not None:
            validation = f"validation: loss {row['val_loss']:.4f}, accuracy {row['val_accuracy']:.3f}"
        logger.info(
            "%s: epoch %d/%d, loss %.4f, accuracy %.3f; %s (%.1f s)",
            self._training.approach,
            row["epoch"],
            self._last_epoch,
            row["loss"],
            row["accuracy"],
            validation,
            seconds,
        )
        outcome = replace(self.outcome, history=(*self.outcome.history, row), seconds=self.outcome.seconds + seconds)
        outcome = self._compared(outcome, row)
        finished = self.model.stop_training or row["epoch"] == self._last_epoch
        self.outcome = replace(outcome, phase_finished=finished)
        self._save(finished)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._bar.close()

    def _compared(self, outcome: Outcome, row: dict[str, Any]) -> Outcome:
        """Compares an epoch with those before: keeps the best weights and stops a phase that gets no better."""
        if row["val_loss"] is None:
            return outcome
        if row["val_loss"] < outcome.best_loss:
            outcome = replace(outcome, best_loss=row["val_loss"], best_epoch=row["epoch"])
            if self._training.parameters.keep_best_epoch:
                self.best = [keras.ops.convert_to_numpy(v) for v in _without_images(self.model.weights)]
        if row["val_loss"] < outcome.phase_best_loss:
            outcome = replace(outcome, phase_best_loss=row["val_loss"], phase_best_epoch=row["epoch"])
        patience = self._training.parameters.early_stopping_patience
        if patience is not None and row["epoch"] - outcome.phase_best_epoch >= patience:
            logger.info(
                "%s: stops early, no better epoch since epoch %d", self._training.approach, outcome.phase_best_epoch
            )
            self.model.stop_training = True
        return outcome

    def _row(self, epoch: int, logs: dict[str, float]) -> dict[str, Any]:
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        figures = {name: float(logs[name]) if name in logs else None for name in names}
        return {
            "seed": self._training.seed,
            "epoch": epoch,
            "phase": self._phase.name,
            **figures,
            "learning_rate": self._learning_rate,
        }

    def _refuse_nan(self, row: dict[str, Any]) -> None:
        for name in ("loss", "val_loss"):
            if row[name] is not None and not math.isfinite(row[name]):
                raise TrainingError(
                    f"{self._training.approach}: the {name} is {row[name]} after epoch {row['epoch']}. "
                    f"A learning rate that is too high does this; {self._training.approach}.learning_rate is "
                    f"{self._phase.learning_rate:g}: try a tenth of it."
                )

    def _save(self, finished: bool) -> None:
        if finished and self._is_last_phase:
            return
        if finished or time.monotonic() - self._saved_at >= SECONDS_BETWEEN_STATES:
            self._state.save(self.outcome, self.best)
            self._saved_at = time.monotonic()


def _publish(training: Training, row: dict[str, Any]) -> None:
    logs = {name: value for name, value in row.items() if isinstance(value, float)}
    publish(EpochEnd(training.approach, training.seed, row["epoch"], logs))


class _StateFile:
    """All that a training needs to go on: weights, random states, optimizer, best weights, history."""

    def __init__(self, path: Path, identity: str, model: keras.Model):
        self._path = path
        self._identity = identity
        self._model = model

    def _variables(self) -> list[keras.Variable]:
        # `variables` has the random states of dropout, which a file of weights lacks.
        return [*_without_images(self._model.variables), *self._model.optimizer.variables]

    def save(self, outcome: Outcome, best: list[np.ndarray]) -> None:
        arrays = {f"variable_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(self._variables())}
        arrays |= {f"best_{i}": value for i, value in enumerate(best)}
        text = json.dumps({"identity": self._identity, "outcome": asdict(outcome)})
        with replace_atomically(self._path) as partial:
            np.savez(partial, text=np.array(text), **arrays)

    def restore(self) -> tuple[Outcome, list[np.ndarray]] | None:
        if not self._path.is_file():
            return None
        with np.load(self._path, allow_pickle=False) as archive:
            content = json.loads(str(archive["text"]))
            if content["identity"] != self._identity:
                return None
            for i, variable in enumerate(self._variables()):
                variable.assign(archive[f"variable_{i}"])
            count = sum(name.startswith("best_") for name in archive.files)
            best = [archive[f"best_{i}"] for i in range(count)]
        history = tuple(content["outcome"].pop("history"))
        return Outcome(history=history, **content["outcome"]), best

    def delete(self) -> None:
        self._path.unlink(missing_ok=True)
