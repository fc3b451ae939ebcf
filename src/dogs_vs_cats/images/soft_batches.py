"""Training batches with soft labels: a label is a probability of each class."""

from collections.abc import Mapping

import keras
import numpy as np

from dogs_vs_cats.images.batches import RowBatches
from dogs_vs_cats.parameters.training import TrainingParameters


class SoftBatches(keras.utils.PyDataset):
    """Batches whose labels are probabilities, smoothed where they are trained on.

    Labels are float32: P(class 1) of shape (b, 1) for two classes, (b, N) for N of them. With class weights, a batch
    has a third part: the weight of each row, float32 (b,).
    """

    def __init__(
        self,
        batches: RowBatches,
        classes: int,
        parameters: TrainingParameters | None = None,
        class_weight: Mapping[int, float] | None = None,
    ):
        """Wraps batches; nothing is read yet.

        Args:
            batches: What to read.
            classes: Number of classes.
            parameters: Say how labels are softened; None for validation, whose labels are certain.
            class_weight: A weight for each label of the batches; None weighs all alike.
        """
        super().__init__()
        self._batches = batches
        self._classes = classes
        self._smoothing = parameters.label_smoothing if parameters else 0.0
        self._class_weight = class_weight

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """Reads a batch of the present epoch: rows, labels, and weights where there are class weights."""
        rows, labels = self._batches[index]
        certain = np.eye(self._classes, dtype=np.float32)[labels]
        soft = certain * np.float32(1 - self._smoothing) + np.float32(self._smoothing / self._classes)
        answers = soft[:, 1:] if self._classes == 2 else soft
        if self._class_weight is None:
            return rows, answers
        weights = np.array([self._class_weight.get(label, 1.0) for label in range(self._classes)], np.float32)
        return rows, answers, certain @ weights
