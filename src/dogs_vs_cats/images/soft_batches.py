"""Training batches with soft labels: a label is a probability of each class."""

from collections.abc import Mapping

import keras
import numpy as np

from dogs_vs_cats.images.batches import RowBatches
from dogs_vs_cats.images.mixing import cut_mix, mix_up
from dogs_vs_cats.parameters.training import TrainingParameters


class SoftBatches(keras.utils.PyDataset):
    """Batches whose labels are probabilities, smoothed and mixed where they are trained on.

    Labels are float32: P(class 1) of shape (b, 1) for two classes, (b, N) for N of them. With class weights, a batch
    has a third part: the weight of each row, float32 (b,). A row that is mixed of two has a mixture of their labels and
    of their weights. Batch i of epoch e is a function of the seed, e and i alone, as it is without soft labels.
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
            batches: The batches to read; whole rows, where they are to be mixed.
            classes: Number of classes.
            parameters: Say how labels are smoothed and rows are mixed; None for validation, which changes neither.
            class_weight: A weight for each label of the batches; None weighs all alike.
        """
        super().__init__()
        self._batches = batches
        self._classes = classes
        self._smoothing = parameters.label_smoothing if parameters else 0.0
        mixers = ((mix_up, parameters.mixup), (cut_mix, parameters.cutmix)) if parameters else ()
        self._mixers = [(mix, alpha) for mix, alpha in mixers if alpha]
        self._weights = None
        if class_weight is not None:
            self._weights = np.array([class_weight.get(label, 1) for label in range(classes)], np.float32)

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """Reads a batch of the present epoch: rows, labels, and weights where there are class weights."""
        rows, labels = self._batches[index]
        probabilities = np.eye(self._classes, dtype=np.float32)[labels]
        if self._mixers:
            random = np.random.default_rng([self._batches.seed, self._batches.epoch, index])
            mix, alpha = self._mixers[random.integers(len(self._mixers))]
            rows, partners, left = mix(rows, random, alpha)
            left = left[:, np.newaxis]
            probabilities = left * probabilities + (1 - left) * probabilities[partners]
        soft = probabilities * np.float32(1 - self._smoothing) + np.float32(self._smoothing / self._classes)
        answers = soft[:, 1:] if self._classes == 2 else soft
        return (rows, answers) if self._weights is None else (rows, answers, probabilities @ self._weights)
