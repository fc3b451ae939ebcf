"""One trial of a search: values that Optuna proposes, and a training that rates them.

A trial is a function of its number and of the trials of earlier rounds: neither interruptions nor the results of trials
that are trained at the same time change it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from dogs_vs_cats.errors import TrainingError
from dogs_vs_cats.parameters.base import written
from dogs_vs_cats.parameters.tuning import Space, Value
from dogs_vs_cats.training.events import EpochEnd, Event, TrialBegin, publish, subscribe, unsubscribe
from dogs_vs_cats.training.inputs import TrainingInputs
from dogs_vs_cats.training.recipes import train_model

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Proposal:
    """A trial that hasn't been trained yet.

    Attributes:
        number: Number of the trial, from 1.
        trial: The trial, in a study of its own that has the trials it is compared with.
        values: The proposed values.
    """

    number: int
    trial: optuna.Trial
    values: Mapping[str, Value]


def propose(
    number: int,
    spaces: Mapping[str, Space],
    own: Mapping[str, Value],
    earlier: Sequence[FrozenTrial],
    seed: int,
    epochs: int,
) -> Proposal:
    """Proposes a trial's values, as far from those of the trials between `earlier` and this one as from bad ones.

    Args:
        number: Number of the trial, from 1.
        spaces: The search space of each parameter.
        own: The approach's own values of these parameters: if they lie in the search space, they are the first trial.
        earlier: The first trials, which are over, and which this one learns from and is compared with.
        seed: Seed of the search.
        epochs: Epochs of a trial.
    """
    # A third of the epochs shows too little: slow starters are often the best in the end.
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=epochs // 3))
    study.add_trials(earlier)
    if not earlier and all(space.contains(own[name]) for name, space in spaces.items()):
        study.enqueue_trial(dict(own))
    for running in range(len(earlier) + 1, number + 1):
        # A seed for each trial, so that proposals don't depend on how often the search was interrupted.
        state = np.random.SeedSequence([seed, running]).generate_state(1)[0]
        study.sampler = optuna.samplers.TPESampler(seed=int(state))
        trial = study.ask()
        values = {name: _value(trial, name, space) for name, space in spaces.items()}
    return Proposal(number, trial, values)


def run_trial(inputs: TrainingInputs, proposal: Proposal, state_folder: Path) -> FrozenTrial:
    """Trains with proposed values; a trial that half of the earlier ones beat is pruned, as is one that diverges.

    Args:
        inputs: How the approach is trained, apart from the proposed values.
        proposal: The trial.
        state_folder: Holds the state after each epoch until the training ends.

    Returns:
        The trial, with its validation log loss after each epoch and, unless it is pruned, in the end.
    """
    trial, name, number, values = proposal.trial, inputs.name, proposal.number, proposal.values
    logger.info("%s: trial %d with %s", name, number, ", ".join(f"{key}={written(values[key])}" for key in values))
    inputs = replace(inputs, block={**inputs.block, **values}, trial=number)
    publish(TrialBegin(name, number, inputs.block, values))

    def report(event: Event) -> None:
        if isinstance(event, EpochEnd):
            trial.report(event.logs["val_loss"], event.epoch)
            # After the last epoch there is nothing left to save, so a trial that came so far is finished.
            if event.epoch < inputs.parameters.epochs_in_all and trial.should_prune():
                logger.info("%s: trial %d is stopped: half of the others were better by then", name, number)
                raise optuna.TrialPruned

    subscribe(report)
    try:
        _, state = train_model(inputs, inputs.seeds[0], state_folder)
    except optuna.TrialPruned:
        return trial.study.tell(trial, state=TrialState.PRUNED)
    except TrainingError as error:
        logger.warning("%s: trial %d is stopped: %s", name, number, error.message)
        return trial.study.tell(trial, state=TrialState.PRUNED)
    finally:
        unsubscribe(report)
    row = state.best if inputs.parameters.keep_best_epoch and state.best else state.history[-1]
    logger.info("%s: trial %d reaches a validation log loss of %.4f", name, number, row["val_loss"])
    return trial.study.tell(trial, row["val_loss"])


def _value(trial: optuna.Trial, name: str, space: Space) -> Value:
    if space.choices is not None:
        return trial.suggest_categorical(name, space.choices)
    low, high = space.log_uniform or space.uniform or []
    return trial.suggest_float(name, low, high, log=space.log_uniform is not None)
