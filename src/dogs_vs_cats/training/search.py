"""The search for better parameters: Optuna proposes values, a training rates them, and bad trials are stopped early.

Trials come in rounds of `trials_at_once`. Those of a round know the trials of earlier rounds alone, so that a search
ends with the same trials whether those of a round are trained one after another or at the same time, and however often
it is interrupted.
"""

import hashlib
import json
import logging
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from dogs_vs_cats.errors import TuningError
from dogs_vs_cats.parameters.tuning import TuningParameters
from dogs_vs_cats.training.cluster import train_each
from dogs_vs_cats.training.events import TrialEnd, publish
from dogs_vs_cats.training.inputs import TrainingInputs
from dogs_vs_cats.training.trials import propose, run_trial

logger = logging.getLogger(__name__)


class Search:
    """A search, every trial of which is on disk as soon as it is over."""

    def __init__(self, tuning: TuningParameters, inputs: TrainingInputs, folder: Path):
        """Opens the search of these parameters, or begins it. Other searches in the folder are left alone.

        Args:
            tuning: The search space, and the budget.
            inputs: How the approach is trained; with several `seeds`, trials have the first of them. If its own values
                lie in the search space, they are the first trial.
            folder: Holds the searches.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        # With one seed, there is one split.
        own = {name: value for name, value in inputs.block.items() if name != "redraw_split"}
        self._tuning, self._inputs, self._folder, self._name = tuning, inputs, folder, inputs.name
        self._spaces = tuning.spaces(inputs.name)
        self._own = {name: getattr(inputs.parameters, name) for name in self._spaces}
        self._block = {**own, "seeds": own["seeds"][:1], "epochs": tuning.epochs or own["epochs"]}
        identity = {
            **inputs.identity(),
            "parameters": {name: value for name, value in self._block.items() if name not in self._spaces},
            "own": self._own,
            "search_space": {name: space.model_dump() for name, space in self._spaces.items()},
            "seed": inputs.seed,
            "trials_at_once": tuning.trials_at_once,
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        self._study = optuna.create_study(
            storage=f"sqlite:///{(folder / 'optuna.db').as_posix()}",
            study_name=f"{self._name} {digest}",
            load_if_exists=True,
        )

    def run(self) -> None:
        """Trains until there are as many trials as wanted, those of earlier runs included.

        Raises:
            TuningError: No trial was finished.
            ClusterError: The cluster that trains can't be reached or fails.
        """
        done, at_once = len(self._trials), self._tuning.trials_at_once
        inputs = replace(self._inputs, block=self._block)
        if done:
            logger.info("%s: resuming after %d trials of an earlier search", self._name, done)
        for first in range(done - done % at_once, self._tuning.trials, at_once):
            numbers = range(max(first, done) + 1, min(first + at_once, self._tuning.trials) + 1)
            earlier = self._trials[:first]
            proposals = [
                propose(number, self._spaces, self._own, earlier, inputs.seed, inputs.parameters.epochs_in_all)
                for number in numbers
            ]
            trained = train_each(run_trial, inputs, proposals, self._folder / "state")
            for number, trial in zip(numbers, trained, strict=True):
                self._study.add_trial(trial)
                publish(TrialEnd(self._name, number, *_outcome(trial)))
        shutil.rmtree(self._folder / "state", ignore_errors=True)
        if not self._finished:
            raise TuningError(
                f"None of the {self._tuning.trials} trials was finished; see the warnings above. Narrow "
                f"tuning.search_space.{self._name}: a learning rate that is too high is the usual reason."
            )

    def table(self) -> pd.DataFrame:
        """A row for each trial: `trial` (from 1), `outcome`, `val_loss`, `epochs`, and a column for each parameter.

        The `val_loss` of a pruned trial is empty: that of its last epoch can't be compared with the others'. Columns of
        parameters hold Python objects, so that 3 beside None stays 3.
        """
        rows = [
            (number, *_outcome(trial), len(trial.intermediate_values), *(trial.params[name] for name in self._spaces))
            for number, trial in enumerate(self._trials, start=1)
        ]
        columns = ["trial", "outcome", "val_loss", "epochs", *self._spaces]
        table = pd.DataFrame(rows, columns=columns, dtype=object)
        return table.astype({"trial": int, "val_loss": float, "epochs": int})

    def summary(self) -> dict[str, Any]:
        """Returns what the search found, with values of the types that the search space gives them.

        Returns:
            `approach`, `environment`, `best_trial` (its number in the table), `best_val_loss`, `best_values`,
            `own_val_loss` (of the approach's own values, None where they weren't tried), `trials`, `pruned` and
            `importance`: the fraction of the validation loss's variation that each parameter explains, most important
            first, by functional ANOVA (Hutter et al. 2014); empty where too few trials are finished to tell.
        """
        finished = self._finished
        best = min(finished, key=_loss)
        importance = {}
        if len({*map(_loss, finished)}) > 1:
            importance = get_param_importances(self._study, evaluator=FanovaImportanceEvaluator(seed=self._inputs.seed))
        return {
            "approach": self._name,
            "environment": self._tuning.environment,
            "best_trial": best.number + 1,
            "best_val_loss": best.value,
            "best_values": {name: best.params[name] for name in self._spaces},
            "own_val_loss": min((_loss(trial) for trial in finished if trial.params == self._own), default=None),
            "trials": len(self._trials),
            "pruned": len(self._trials) - len(finished),
            "importance": {name: float(part) for name, part in importance.items() if math.isfinite(part)},
        }

    @property
    def _trials(self) -> list[FrozenTrial]:
        """The trials in their order; all of them are over."""
        return self._study.get_trials(deepcopy=False)

    @property
    def _finished(self) -> list[FrozenTrial]:
        return [trial for trial in self._trials if trial.state == TrialState.COMPLETE]


def _loss(trial: FrozenTrial) -> float:
    return cast(float, trial.value)


def _outcome(trial: FrozenTrial) -> tuple[str, float | None]:
    """The outcome and the loss; a pruned trial has a value too, but it is that of its last epoch."""
    return ("finished", trial.value) if trial.state == TrialState.COMPLETE else ("pruned", None)
