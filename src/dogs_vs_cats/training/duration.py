"""How long a training will take, said as soon as a few of its steps are measured."""

import logging
import time

import keras

logger = logging.getLogger(__name__)

MEASURED_STEPS = 8
"""Steps that are measured, after the first one, in which the backend compiles."""

LEAST_SECONDS = 90
"""Shorter trainings aren't announced."""


class Announcement(keras.callbacks.Callback):
    """Logs how long a phase of training will take. The number of epochs is the parameters' and never depends on it."""

    def __init__(self, what: str, epochs: int, validation_steps: int):
        """Prepares the announcement.

        Args:
            what: The phase, for the message.
            epochs: How many are left.
            validation_steps: Batches that are validated after each; they are taken to last as long as training steps.
        """
        super().__init__()
        self._what, self._epochs, self._validation_steps = what, epochs, validation_steps
        self._first: tuple[int, float] | None = None
        self._is_over = False

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Measures the first steps."""
        if self._is_over:
            return
        if self._first is None:
            self._first = batch, time.perf_counter()
            return
        steps = batch - self._first[0]
        if steps >= MEASURED_STEPS:
            self._is_over = True
            seconds = (time.perf_counter() - self._first[1]) / steps
            total = seconds * self._epochs * (self.params["steps"] + self._validation_steps)
            if total >= LEAST_SECONDS:
                logger.info("%s takes about %.0f minutes (%d epochs)", self._what, total / 60, self._epochs)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """An epoch shorter than the measurement isn't worth an announcement."""
        self._is_over = True
