"""The search for better parameters: Optuna proposes values, a training rates them, and bad trials are stopped early.

A search that was killed continues where it stopped, and ends with the same trials as one that was never disturbed:
Optuna's proposals depend on the seed and on the finished trials alone.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from dogs_vs_cats.errors import TrainingError, TuningError
from dogs_vs_cats.parameters.base import written
from dogs_vs_cats.parameters.tuning import Space
from dogs_vs_cats.training.events import EpochEnd, Event, TrialBegin, TrialEnd, publish, subscribe, unsubscribe

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from dogs_vs_cats.training.loop import TrainResult

logger = logging.getLogger(__name__)

Train = Callable[[Mapping[str, Any]], "TrainResult"]
"""Trains with an approach's block of parameters."""


class Search:
    """A search, every trial of which is on disk as soon as it is over."""

    def __init__(self, folder: Path, approach: str, identity: str, spaces: Mapping[str, Space], seed: int):
        """Opens the search of this identity, or begins it.

        Args:
            folder: Holds the searches.
            approach: Name of the approach.
            identity: All that the outcome depends on, apart from the number of trials, as text. Searches of other
                identities are left alone.
            spaces: The values of each parameter.
            seed: Seed of the proposals.

        Raises:
            TuningError: Optuna isn't installed.
        """
        try:
            import optuna
        except ModuleNotFoundError as error:
            raise TuningError(
                "Searching parameters needs Optuna, which isn't installed. `make install` has it, or: "
                "pip install 'optuna>=4'"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._approach = approach
        self._seed = seed
        self._spaces = spaces
        self._study = optuna.create_study(
            storage=f"sqlite:///{(folder / 'optuna.db').as_posix()}",
            study_name=f"{approach} {hashlib.sha256(identity.encode()).hexdigest()}",
            direction="minimize",
            load_if_exists=True,
        )
        for trial in self._study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
            # Its process was killed: it starts again with the same values.
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def run(self, trials: int, block: Mapping[str, Any], epochs: int, train: Train) -> None:
        """Trains until there are as many trials as wanted.

        Args:
            trials: Their number, those of earlier runs included.
            block: The approach's own parameters. Where they lie in the search space, they are the first trial.
            epochs: Number of epochs of a trial.
            train: Trains with a block.

        Raises:
            TuningError: No trial came to its end.
        """
        import optuna

        done = len(self.trials())
        if done:
            logger.info("%s: going on after %d trials of an earlier search", self._approach, done)
        # A third of the epochs shows too little: slow starters are often the best in the end.
        self._study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=epochs // 3)
        for number in range(done + 1, trials + 1):
            self._study.sampler = optuna.samplers.TPESampler(seed=_seed(self._seed, number))
            own = {name: block[name] for name in self._spaces}
            if number == 1 and all(space.contains(own[name]) for name, space in self._spaces.items()):
                self._study.enqueue_trial(own)
            distributions = {name: _distribution(space) for name, space in self._spaces.items()}
            self._try(number, self._study.ask(distributions), block, train)
        if not self._finished():
            raise TuningError(
                f"None of the {trials} trials came to its end; see the warnings above. Narrow "
                f"tuning.search_space.{self._approach}: a learning rate that is too high is the usual reason."
            )

    def trials(self) -> "list[FrozenTrial]":
        """The trials that are over, in their order."""
        import optuna

        states = [optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED]
        return self._study.get_trials(deepcopy=False, states=states)

    def table(self) -> pd.DataFrame:
        """A row for each trial: `trial` (from 1), `outcome`, `val_loss`, `epochs`, and a column for each parameter.

        The `val_loss` of a pruned trial is empty: that of its last epoch can't be compared with the others'. Columns of
        parameters hold Python objects, so that 3 beside None stays 3.
        """
        rows = [
            {
                "trial": number,
                "outcome": "finished" if (finished := trial.state.name == "COMPLETE") else "pruned",
                "val_loss": trial.value if finished else None,
                "epochs": len(trial.intermediate_values),
                **{name: trial.params[name] for name in self._spaces},
            }
            for number, trial in enumerate(self.trials(), start=1)
        ]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        objects = {name: pd.Series(columns[name], dtype=object) for name in self._spaces}
        return pd.DataFrame({**columns, **objects}).astype({"val_loss": float})

    def summary(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what the search found, with values of the types that the search space gives them.

        Args:
            own: The approach's own parameters.

        Returns:
            `best_trial` (its number in the table), `best_val_loss`, `best_values`, `own_val_loss` (of the own values,
            None where they weren't tried), `trials`, `pruned` and `importance`.
        """
        trials, finished = self.trials(), self._finished()
        best = min(finished, key=_loss)
        with_own = [trial for trial in finished if all(own[name] == value for name, value in trial.params.items())]
        return {
            "best_trial": trials.index(best) + 1,
            "best_val_loss": _loss(best),
            "best_values": {name: best.params[name] for name in self._spaces},
            "own_val_loss": min(map(_loss, with_own), default=None),
            "trials": len(trials),
            "pruned": len(trials) - len(finished),
            "importance": self.importance(),
        }

    def importance(self) -> dict[str, float]:
        """How much of the validation loss's variation each parameter explains, most important first.

        Returns:
            Shares that add up to 1, by functional ANOVA on the finished trials (Hutter et al. 2014); empty where too
            few trials are finished to tell.
        """
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        if len({trial.value for trial in self._finished()}) < 2:
            return {}
        shares = get_param_importances(self._study, evaluator=FanovaImportanceEvaluator(seed=self._seed))
        return {name: float(share) for name, share in shares.items() if np.isfinite(share)}

    def _finished(self) -> "list[FrozenTrial]":
        # A pruned trial has a value too: that of its last epoch.
        return [trial for trial in self.trials() if trial.state.name == "COMPLETE"]

    def _try(self, number: int, trial: "optuna.Trial", block: Mapping[str, Any], train: Train) -> None:
        import optuna

        values = dict(trial.params)
        parameters = {**block, **values}
        settings = ", ".join(f"{name}={written(value)}" for name, value in values.items())
        logger.info("%s: trial %d with %s", self._approach, number, settings)
        publish(TrialBegin(self._approach, number, parameters, values))
        try:
            with _reported(trial, parameters["epochs"]):
                result = train(parameters)
        except optuna.TrialPruned:
            logger.info("%s: trial %d is stopped, half of the others were better by then", self._approach, number)
        except TrainingError as error:
            logger.warning("%s: trial %d is stopped: %s", self._approach, number, error.message)
        else:
            row = result.best if parameters["keep_best_epoch"] and result.best else result.history[-1]
            value = row["val_loss"]
            self._study.tell(trial, value)
            publish(TrialEnd(self._approach, number, "finished", value))
            logger.info("%s: trial %d reaches a validation log loss of %.4f", self._approach, number, value)
            return
        self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        publish(TrialEnd(self._approach, number, "pruned", None))


@contextmanager
def _reported(trial: "optuna.Trial", epochs: int) -> Iterator[None]:
    """Reports every epoch, and stops the training where the trial is worse than half of the others.

    After the last epoch there is nothing left to save, so a trial that came so far is kept.
    """
    import optuna

    def report(event: Event) -> None:
        if isinstance(event, EpochEnd):
            trial.report(event.logs["val_loss"], event.epoch)
            if event.epoch < epochs and trial.should_prune():
                raise optuna.TrialPruned

    subscribe(report)
    try:
        yield
    finally:
        unsubscribe(report)


def _loss(trial: "FrozenTrial") -> float:
    """Returns the validation log loss of a finished trial."""
    return cast(float, trial.value)


def _distribution(space: Space) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if space.choices is not None:
        return CategoricalDistribution(space.choices)
    low, high = space.log_uniform or space.uniform or []
    return FloatDistribution(low, high, log=space.log_uniform is not None)


def _seed(seed: int, number: int) -> int:
    """A seed for each trial, so that proposals don't depend on how often the search was interrupted."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
