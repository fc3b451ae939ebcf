"""The search for better parameters: Optuna proposes values, a training rates them, and bad trials are stopped early.

An interrupted search resumes where it stopped, and ends with the same trials as one that was never interrupted:
Optuna's proposals depend on the seed and on the finished trials alone.
"""

import hashlib
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from dogs_vs_cats.errors import TrainingError, TuningError
from dogs_vs_cats.parameters.base import written
from dogs_vs_cats.parameters.tuning import Space, TuningParameters, Value
from dogs_vs_cats.training.events import EpochEnd, Event, TrialBegin, TrialEnd, publish, subscribe, unsubscribe
from dogs_vs_cats.training.inputs import TrainingInputs
from dogs_vs_cats.training.recipes import train_model

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
        # A failure is reported here in one line, without Optuna's traceback.
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        # With one seed, there is one split.
        own = {name: value for name, value in inputs.block.items() if name != "redraw_split"}
        self._tuning, self._inputs, self._folder, self._name = tuning, inputs, folder, inputs.name
        self._spaces = tuning.spaces(inputs.name)
        self._own = {name: own.get(name, getattr(inputs.parameters, name)) for name in self._spaces}
        self._block = {**own, "seeds": own["seeds"][:1], "epochs": tuning.epochs or own["epochs"]}
        identity = {
            **inputs.identity(),
            "parameters": {name: value for name, value in self._block.items() if name not in self._spaces},
            "own": self._own,
            "search_space": {name: space.model_dump() for name, space in self._spaces.items()},
            "seed": inputs.seed,
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        epochs = replace(inputs, block=self._block).parameters.epochs_in_all
        self._study = optuna.create_study(
            storage=f"sqlite:///{(folder / 'optuna.db').as_posix()}",
            study_name=f"{self._name} {digest}",
            # A third of the epochs shows too little: slow starters are often the best in the end.
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=epochs // 3),
            load_if_exists=True,
        )

    def run(self) -> None:
        """Trains until there are as many trials as wanted, those of earlier runs included.

        Raises:
            TuningError: No trial was finished.
        """
        for trial in self._trials(TrialState.RUNNING):
            # Its process was killed: it starts again with the same values.
            self._study.tell(trial.number, state=TrialState.FAIL)
        done = len(self._over())
        if done:
            logger.info("%s: resuming after %d trials of an earlier search", self._name, done)
        for number in range(done + 1, self._tuning.trials + 1):
            # A seed for each trial, so that proposals don't depend on how often the search was interrupted.
            seed = np.random.SeedSequence([self._inputs.seed, number]).generate_state(1)[0]
            self._study.sampler = optuna.samplers.TPESampler(seed=int(seed))
            if number == 1 and all(space.contains(self._own[name]) for name, space in self._spaces.items()):
                self._study.enqueue_trial(self._own)
            self._study.optimize(self._train, n_trials=1)
            publish(TrialEnd(self._name, number, *_outcome(self._over()[-1])))
        shutil.rmtree(self._folder / "state", ignore_errors=True)
        if not self._trials(TrialState.COMPLETE):
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
            for number, trial in enumerate(self._over(), start=1)
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
        trials, finished = self._over(), self._trials(TrialState.COMPLETE)
        losses = [cast(float, trial.value) for trial in finished]
        best = finished[int(np.argmin(losses))]
        own = [loss for trial, loss in zip(finished, losses, strict=True) if trial.params == self._own]
        importance = {}
        if len(set(losses)) > 1:
            importance = get_param_importances(self._study, evaluator=FanovaImportanceEvaluator(seed=self._inputs.seed))
        return {
            "approach": self._name,
            "environment": self._tuning.environment,
            "best_trial": [trial.number for trial in trials].index(best.number) + 1,
            "best_val_loss": best.value,
            "best_values": {name: best.params[name] for name in self._spaces},
            "own_val_loss": min(own, default=None),
            "trials": len(trials),
            "pruned": len(trials) - len(finished),
            "importance": {name: float(part) for name, part in importance.items() if np.isfinite(part)},
        }

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states)

    def _over(self) -> list[FrozenTrial]:
        """The trials that are over, in their order."""
        return self._trials(TrialState.COMPLETE, TrialState.PRUNED)

    def _train(self, trial: optuna.Trial) -> float:
        """Trains with proposed values; returns the validation log loss, or raises `TrialPruned`."""
        number, values = len(self._over()) + 1, {name: _value(trial, name, self._spaces[name]) for name in self._spaces}
        settings = ", ".join(f"{name}={written(value)}" for name, value in values.items())
        logger.info("%s: trial %d with %s", self._name, number, settings)
        inputs = replace(self._inputs, block={**self._block, **values})
        publish(TrialBegin(self._name, number, inputs.block, values))

        def report(event: Event) -> None:
            if isinstance(event, EpochEnd):
                trial.report(event.logs["val_loss"], event.epoch)
                # After the last epoch there is nothing left to save, so a trial that came so far is finished.
                if event.epoch < inputs.parameters.epochs_in_all and trial.should_prune():
                    logger.info("%s: trial %d is stopped: half of the others were better by then", self._name, number)
                    raise optuna.TrialPruned

        subscribe(report)
        try:
            _, state = train_model(inputs, inputs.seeds[0], self._folder / "state")
        except TrainingError as error:
            logger.warning("%s: trial %d is stopped: %s", self._name, number, error.message)
            raise optuna.TrialPruned from error
        finally:
            unsubscribe(report)
        row = state.best if inputs.parameters.keep_best_epoch and state.best else state.history[-1]
        loss = cast(float, row["val_loss"])
        logger.info("%s: trial %d reaches a validation log loss of %.4f", self._name, number, loss)
        return loss


def _outcome(trial: FrozenTrial) -> tuple[str, float | None]:
    """The outcome and the loss; a pruned trial has a value too, but it is that of its last epoch."""
    return ("finished", trial.value) if trial.state == TrialState.COMPLETE else ("pruned", None)


def _value(trial: optuna.Trial, name: str, space: Space) -> Value:
    if space.choices is not None:
        return trial.suggest_categorical(name, space.choices)
    low, high = space.log_uniform or space.uniform or []
    return trial.suggest_float(name, low, high, log=space.log_uniform is not None)
