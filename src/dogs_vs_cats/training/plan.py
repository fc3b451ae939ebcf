"""The plan of a training: its model, batches and settings; and compiling the model for one of its phases."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import keras

from dogs_vs_cats.compute.backend import compile_updates
from dogs_vs_cats.images.batches import RowBatches
from dogs_vs_cats.images.soft_batches import SoftBatches
from dogs_vs_cats.training.checkpoint import TrainState
from dogs_vs_cats.training.devices import EvenBatches, training_devices
from dogs_vs_cats.training.inputs import TrainingInputs
from dogs_vs_cats.training.measures import accuracy, loss_function
from dogs_vs_cats.training.phases import Phase, create_optimizer

_STEPS_AT_ONCE = 20


@dataclass(frozen=True)
class Training:
    """The plan of a training: the model, its inputs, and the settings.

    Attributes:
        inputs: Parameters of the approach, how to compute, and the source of the batches.
        seed: Seed of the weights and the batches.
        model: The model to train, uncompiled; its weights change in place.
        phases: One or more.
        batches: Training batches; batch i of epoch e is a function of e and i alone.
        validation: Validation batches; empty where there are no validation images.
        validation_model: The model for the `validation` batches, where that isn't `model`: it shares the weights of
            `model`, and takes something else than images.
        start: The head that was fitted before the first phase, whose figures are the first row of the history.
    """

    inputs: TrainingInputs
    seed: int
    model: keras.Model
    phases: Sequence[Phase]
    batches: RowBatches
    validation: RowBatches
    validation_model: keras.Model | None = None
    start: TrainState = field(default_factory=TrainState)

    @cached_property
    def devices(self) -> int:
        """How many devices share each batch. More than one need a surrounding `data_parallel`."""
        return len(training_devices(self.inputs.compute))

    def prepared_batches(
        self, batches: RowBatches, class_weight: dict[int, float] | None = None
    ) -> keras.utils.PyDataset:
        """Batches as `fit` and `evaluate` take them: with soft labels, and split among devices, where there are such.

        Args:
            batches: `batches` or `validation`.
            class_weight: Weights of the labels. Soft or split batches include them; others don't.
        """
        given: RowBatches | SoftBatches = batches
        parameters = self.inputs.parameters
        if parameters.has_soft_labels:
            softening = parameters if batches is self.batches else None
            given = SoftBatches(batches, self.inputs.data.classes, softening, class_weight)
        if self.devices == 1:
            return given
        return EvenBatches(given, self.devices, class_weight, () if batches is self.batches else batches.sizes)

    @property
    def separate_validation_model(self) -> keras.Model | None:
        """The model that is validated after an epoch instead of by `fit`; None where `fit` does it.

        `fit` validates the model that it trains, with the weights that it has: not another one, and not with averages.
        """
        return self.validation_model or (None if self.inputs.parameters.ema is None else self.model)

    @property
    def steps_per_execution(self) -> int:
        """Steps in one call of the compiled function."""
        steps = self.inputs.compute.steps_per_execution
        if steps != "auto":
            return steps
        # A call would cost more than the step of a small head. Under JAX the loop is in Python and gains nothing.
        is_small = self.inputs.approach.TRAINS_ON == "features" and keras.backend.backend() == "tensorflow"
        full = len(self.inputs.data.rows("train")) // self.inputs.parameters.batch_size
        return max(1, min(_STEPS_AT_ONCE, full)) if is_small else 1


def compile_for(training: Training, phase: Phase) -> None:
    """Compiles the models of a training for one of its phases, with a new optimizer."""
    inputs, compute = training.inputs, training.inputs.compute
    variables = training.model.trainable_variables
    optimizer = create_optimizer(inputs.parameters, phase, variables, len(training.batches))
    if training.devices == 1:
        compile_updates(optimizer, compute)
    kind = (inputs.data.classes, inputs.parameters.has_soft_labels)
    own = {"optimizer": optimizer, "steps_per_execution": training.steps_per_execution}
    for model, options in ((training.model, own), (training.validation_model, {})):
        if model is not None:
            measured = {"loss": loss_function(*kind), "weighted_metrics": [accuracy(*kind)]}
            model.compile(**measured, jit_compile=compute.jit_compile, **options)
    # Builds the optimizer's variables now, so that a saved state can be put into them.
    optimizer.build(variables)
