"""The search for better parameters: it finds them, stops bad trials, survives being killed, and writes them down."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.config import OmegaConfigLoader

from dogs_vs_cats.datasets import EnvironmentsDataset
from dogs_vs_cats.errors import EnvironmentFilesError, TuningError
from dogs_vs_cats.parameter_schema import check
from dogs_vs_cats.parameters.tuning import TuningParameters
from dogs_vs_cats.pipelines.tuning import nodes
from dogs_vs_cats.pipelines.tuning.environment import make_environment
from dogs_vs_cats.training.events import EpochEnd, TrialBegin, TrialEnd, subscribe, unsubscribe
from dogs_vs_cats.training.inputs import LabelledImages
from tests.approaches.test_approaches import BOTTLENECK, END_TO_END
from tests.conftest import PROJECT, copy_project, kedro
from tests.parameters.test_parameters import parameters, refused
from tests.training.test_training import CLASSES, RECORD, inputs

TRIALS = 6
BLOCK = {**BOTTLENECK, "epochs": 3, "batch_size": 16, "dense_units": 8, "learning_rate": 0.01, "dropout": 0.1}
SPACE = {
    "learning_rate": {"log_uniform": [0.00001, 1.0]},
    "dense_units": {"choices": [4, 8]},
    "dropout": {"uniform": [0.0, 0.5]},
    "batch_size": None,
}
EVEN, UNEVEN = np.arange(60) % 2, (np.arange(60) % 4 == 0).astype(int)
BASE_RECORD = {"identity": "base", "name": "base", "made_with": {"preprocessing": "own"}}


def tuning(approach="transfer_bottleneck", **changes):
    block = {"approach": approach, "trials": TRIALS, "trials_at_once": 1, "epochs": None, "environment": "tuned"}
    return TuningParameters.model_validate({**block, "search_space": {"transfer_bottleneck": SPACE}, **changes})


def search(folder, wanted=None, block=BLOCK, seed=4, runs=("transfer_bottleneck",), labels=EVEN, **data):
    """Searches on features that a linear layer tells apart."""
    import keras

    random = np.random.default_rng(0)
    features = random.normal(0, 1, (60, 16)).astype(np.float32)
    features[:, 0] += 2 * labels
    manifest = pd.DataFrame({"path": [f"{i}.png" for i in range(60)], "label": labels, "group": range(60)})
    manifest["split"] = ["train"] * 40 + ["validation"] * 20
    images = np.zeros((60, 8, 8, 3), np.uint8)
    keras.utils.set_random_seed(0)
    backbone = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, strides=3, name="c")], name="base")
    folder.mkdir(exist_ok=True)
    record = {"pooling": "flatten"}
    made = {
        "backbone": backbone,
        "backbone_record": BASE_RECORD,
        "features": features,
        "features_record": record,
        **data,
    }
    wanted = wanted or tuning()
    labelled = LabelledImages(images, manifest, CLASSES, RECORD, **made)
    given = inputs(wanted.approach, block, labelled, seed=seed)
    return nodes.search(wanted, list(runs), given, environments(), folder)


def search_until_killed(folder):
    """Dies in the second epoch of the third trial, as a process that is killed does."""
    trials = []

    def die(event):
        if isinstance(event, TrialBegin):
            trials.append(event.trial)
        elif isinstance(event, EpochEnd) and len(trials) == 3 and event.epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    subscribe(die)
    search(folder)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A search that nothing disturbed, and what it told while it ran."""
    events = []
    subscribe(events.append)
    try:
        trials, summary = search(tmp_path_factory.mktemp("search"))
    finally:
        unsubscribe(events.append)
    return trials, summary, events


@pytest.mark.medium
def test_a_search_finds_better_values_than_its_worst_and_stops_bad_trials_early(found):
    trials, summary, _ = found
    assert trials["trial"].tolist() == list(range(1, TRIALS + 1))
    finished, pruned = (trials[trials["outcome"] == outcome] for outcome in ("finished", "pruned"))
    assert summary["best_val_loss"] == finished["val_loss"].min() < finished["val_loss"].max()
    assert len(pruned) == summary["pruned"] >= 1
    assert (pruned["epochs"] < 3).all()
    assert pruned["val_loss"].isna().all()
    assert (finished["epochs"] == 3).all()
    best = trials.set_index("trial").loc[summary["best_trial"]]
    assert summary["best_values"] == {name: best[name] for name in ("dense_units", "dropout", "learning_rate")}
    assert sum(summary["importance"].values()) == pytest.approx(1)


@pytest.mark.medium
def test_the_first_trial_has_the_values_that_are_used_already(found):
    trials, summary, _ = found
    assert trials.loc[0, ["learning_rate", "dense_units", "dropout"]].tolist() == [0.01, 8, 0.1]
    assert summary["own_val_loss"] == trials.loc[0, "val_loss"]


TYPED = {
    "early_stopping_patience": [None, 1, 2],
    "class_weights": [True, False],
    "optimizer": ["adam", "sgd"],
    "dense_units": [8, 4],
    "dropout": [0.1, 0.2],
}


def test_a_parameter_that_the_block_leaves_at_its_default_can_be_searched(tmp_path):
    space = {"label_smoothing": {"uniform": [0.0, 0.2]}, "mixup": {"choices": [0, 0.2]}}
    trials, summary = search(tmp_path, tuning(trials=2, epochs=1, search_space={"transfer_bottleneck": space}))
    assert trials.loc[0, ["label_smoothing", "mixup"]].tolist() == [0, 0]
    assert summary["own_val_loss"] == trials.loc[0, "val_loss"], "the defaults are the first trial"


def test_a_trial_that_came_to_its_end_is_finished_also_without_epochs(tmp_path):
    """A linear head has one row of history, whatever `epochs` is; with uneven classes one of these choices is worse."""
    space = {"transfer_bottleneck": {"class_weights": {"choices": [False, True]}}}
    wanted = tuning(trials=8, search_space=space)
    trials, _ = search(tmp_path, wanted, {**BLOCK, "head": "linear"}, labels=UNEVEN)
    assert trials["val_loss"].nunique() == 2
    assert set(trials["outcome"]) == {"finished"}


@pytest.mark.medium
def test_values_keep_their_types_up_to_the_environment_that_is_written(tmp_path):
    own = {name: choices[-1] for name, choices in TYPED.items()}
    block = {**BLOCK, **own, "early_stopping_patience": None}
    spaces = {name: {"choices": choices} for name, choices in TYPED.items()}
    wanted = tuning(trials=3, epochs=1, search_space={"transfer_bottleneck": spaces})
    events = []
    subscribe(events.append)
    try:
        trials, summary = search(tmp_path / "search", wanted, block)
    finally:
        unsubscribe(events.append)
    begun = [event for event in events if isinstance(event, TrialBegin)]
    best = summary["best_values"]
    assert best == begun[summary["best_trial"] - 1].values
    for name, value in best.items():
        assert type(value) in {type(choice) for choice in TYPED[name]}
    assert summary["own_val_loss"] == trials.loc[0, "val_loss"], "the block's own values are the first trial"
    # A parameter that is null in one trial is no decimal number in the others.
    shown = [trial["early_stopping_patience"] for trial in trials.to_dict("records")]
    assert shown == [event.values["early_stopping_patience"] for event in begun]
    assert {type(value) for value in shown} <= {type(None), int}

    summary = json.loads(json.dumps(summary, allow_nan=False))
    run = parameters() | {"transfer_bottleneck": block}
    record = {"command": "kedro run --pipelines=tuning", "globals": {"experiment": "sample"}}
    conf = tmp_path / "conf"
    shutil.copytree(PROJECT / "conf", conf)
    EnvironmentsDataset(filepath=str(conf)).save(make_environment(summary, run, record))
    written = OmegaConfigLoader(str(conf), base_env="base", env="tuned", merge_strategy={"parameters": "soft"})
    check(written["parameters"])
    tuned = written["parameters"]["transfer_bottleneck"]
    assert {name: (tuned[name], type(tuned[name])) for name in TYPED} == {
        name: (value, type(value)) for name, value in best.items()
    }
    page = nodes.report(trials, summary, b"", b"")
    assert "<td>null</td>" in page
    assert "nan" not in page.lower()


@pytest.mark.medium
def test_trials_of_several_seeds_with_splits_of_their_own_have_the_first_of_both(tmp_path):
    seen = []
    subscribe(seen.append)
    try:
        block = {**BLOCK, "seeds": [1, 2], "redraw_split": True}
        search(tmp_path, tuning(trials=1, epochs=1), block)
    finally:
        unsubscribe(seen.append)
    (begun,) = (event for event in seen if isinstance(event, TrialBegin))
    assert (begun.parameters["seeds"], begun.parameters.get("redraw_split")) == ([1], None)


@pytest.mark.medium
def test_every_trial_is_published_with_its_epochs(found):
    trials, _, events = found
    begun = [event for event in events if isinstance(event, TrialBegin)]
    ended = [event for event in events if isinstance(event, TrialEnd)]
    assert [event.trial for event in begun] == [event.trial for event in ended] == trials["trial"].tolist()
    assert begun[0].parameters == {**BLOCK, "seeds": []}
    assert [event.outcome for event in ended] == trials["outcome"].tolist()
    inside = events[events.index(begun[1]) : events.index(ended[1])]
    epochs = range(1, trials.loc[1, "epochs"] + 1)
    assert [(event.epoch, event.trial) for event in inside[1:]] == [(epoch, 2) for epoch in epochs]


@pytest.mark.slow
def test_a_killed_search_resumes_and_ends_like_one_that_was_not(found, tmp_path):
    code = (
        "from pathlib import Path; from tests.training import test_tuning; "
        f"test_tuning.search_until_killed(Path({str(tmp_path)!r}))"
    )
    path = os.pathsep.join([str(PROJECT / "src"), str(PROJECT)])
    killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    begun = []
    subscribe(begun.append)
    try:
        trials, summary = search(tmp_path)
    finally:
        unsubscribe(begun.append)
    assert [event.trial for event in begun if isinstance(event, TrialBegin)] == list(range(3, TRIALS + 1))
    pd.testing.assert_frame_equal(trials, found[0])
    assert summary == found[1]
    assert [path.name for path in tmp_path.iterdir()] == ["optuna.db"]


@pytest.mark.medium
def test_a_diverging_trial_is_stopped_and_where_all_do_the_search_says_so(tmp_path):
    space = {"transfer_bottleneck": {"learning_rate": {"choices": [9.0, 10.0]}}}
    with pytest.raises(
        TuningError, match=r"None of the 1 trials was finished.* Narrow tuning.search_space.transfer_bottleneck"
    ):
        search(tmp_path, tuning(trials=1, search_space=space), features=np.full((60, 16), 1e30, np.float32))


def test_what_cannot_be_searched_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(TuningError, match="doesn't run; it runs transfer_bottleneck"):
        search(tmp_path, tuning("naive_cnn"))
    with pytest.raises(TuningError, match=r"nothing for transfer_bottleneck.*learning_rate"):
        search(tmp_path, tuning(search_space={}))
    with pytest.raises(EnvironmentFilesError, match=r"experiment of conf/base"):
        search(tmp_path, tuning(environment="sample"))
    found = r"searches dense_units, dropout and learning_rate, without effect unless transfer_bottleneck\.head=dense\."
    with pytest.raises(TuningError, match=rf"transfer_bottleneck {found} Set them to null there, or set "):
        search(tmp_path, block={**BLOCK, "head": "linear"})
    space = {"transfer_end_to_end": {"fine_tuning_epochs": {"choices": [1, 2]}}}
    with pytest.raises(TuningError, match=r"fine_tuning_epochs, without .* it to null there, or set .*unfreeze_from=a"):
        search(tmp_path, tuning("transfer_end_to_end", search_space=space), END_TO_END, runs=["transfer_end_to_end"])
    wanted = tuning(epochs=2, search_space={"transfer_bottleneck": {"class_weights": {"choices": [False, True]}}})
    with pytest.raises(TuningError, match=r"tuning\.epochs is 2, but head: linear is solved without.*epochs=null, or"):
        search(tmp_path, wanted, {**BLOCK, "head": "linear"})
    assert not list(tmp_path.iterdir())


def test_the_environment_photos_searches_what_its_head_uses():
    values = parameters("photos")
    wanted, nothing = TuningParameters.model_validate(values["tuning"]), pd.DataFrame({"split": [], "label": []})
    given = inputs(wanted.approach, values[wanted.approach], LabelledImages(np.empty(0), nothing, CLASSES))
    nodes._check(wanted, values["approaches"], given)
    assert "fine_tuning_learning_rate" in wanted.spaces(wanted.approach)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"approach": "naive"}, "tuning.approach: 'naive' is not an approach; there are"),
        ({"environment": "base"}, "must be an environment of its own"),
        ({"environment": "../x"}, "tuning.environment: "),
        ({"search_space": {"cnn": {}}}, "tuning.search_space.cnn: 'cnn' is not an approach; there are"),
        (
            {"search_space": {"naive_cnn": {"learning_rat": {"uniform": [0.1, 0.2]}}}},
            "naive_cnn.learning_rat: there is no such parameter; did you mean learning_rate?",
        ),
        (
            {"search_space": {"naive_cnn": {"dropout": {"uniform": [0.1, 0.2]}}}},
            "naive_cnn.dropout: there is no such parameter; there are approach, augment, average_flips",
        ),
        ({"search_space": {"naive_cnn": {"seeds": {"choices": [1, 2]}}}}, "seeds: can't be searched"),
        (
            {"search_space": {"naive_cnn": {"redraw_split": {"choices": [True, False]}}}},
            "redraw_split: can't be searched",
        ),
        (
            {"search_space": {"naive_cnn": {"average_flips": {"choices": [True, False]}}}},
            "average_flips: can't be searched: trials are validated on images as they are",
        ),
        ({"search_space": {"naive_cnn": {"batch_size": {"choices": [8, 0]}}}}, "greater than 0; given was 0"),
        ({"search_space": {"naive_cnn": {"batch_size": {"uniform": [8, 16]}}}}, "integer; given was 8.0"),
        ({"search_space": {"transfer_bottleneck": {"augment": {"choices": [True, False]}}}}, "nothing to augment"),
        (
            {"search_space": {"naive_cnn": {"learning_rate": {"log_uniform": [0, 1]}}}},
            "log_uniform.0: input should be greater than 0; given was 0",
        ),
        ({"search_space": {"naive_cnn": {"learning_rate": {"uniform": [1, 1]}}}}, "must be below the second"),
        (
            {"epochs": 2, "search_space": {"transfer_bottleneck": {"epochs": {"choices": [2, 3]}}}},
            "tuning.epochs: must be null where tuning.search_space.transfer_bottleneck searches epochs; given was 2",
        ),
        (
            {
                "search_space": {
                    "transfer_end_to_end": {
                        "unfreeze_from": {"choices": [None, "auto"]},
                        "warmup_epochs": {"uniform": [0.0, 2.0]},
                        "fine_tuning_epochs": {"choices": [2, 5]},
                    }
                }
            },
            "fine_tuning_epochs: must be greater than warmup_epochs (2); raise it, or lower warmup_epochs; given was "
            "2, unfreeze_from=auto, warmup_epochs=2",
        ),
        (
            {"search_space": {"naive_cnn": {"learning_rate": {"uniform": [0.1, 1], "choices": [0.1, 1.0]}}}},
            "exactly one of uniform, log_uniform and choices",
        ),
    ],
)
def test_a_wrong_search_is_reported_with_all_other_wrong_parameters(change, message):
    values = deepcopy(parameters())
    values["tuning"] |= change
    assert message in refused(values)


def test_epochs_of_the_search_contradict_the_approach_that_is_searched_alone():
    values = parameters()
    values["naive_cnn"] |= {"warmup_epochs": 3}
    values["tuning"] |= {"epochs": 2}
    check(values)
    values["tuning"] |= {"approach": "naive_cnn"}
    expected = "  - tuning.epochs: 2 contradicts naive_cnn.warmup_epochs: must be less than epochs (2); given was 3"
    assert refused(values).splitlines()[1:] == [expected]


def environments():
    return EnvironmentsDataset(filepath=str(PROJECT / "conf")).load()


def summary_of(approach, values):
    return {
        "environment": "tuned",
        "approach": approach,
        "best_trial": 2,
        "best_val_loss": 0.5,
        "best_values": values,
    }


@pytest.mark.parametrize("environment", ["base", "lecture", "test", "mnist"])
def test_a_written_environment_is_the_old_one_with_the_best_values(tmp_path, environment):
    run = parameters(environment)
    approach = run["approaches"][0]
    loader = OmegaConfigLoader(str(PROJECT / "conf"), base_env="base", env=environment)
    record = {"command": "kedro run --pipelines=tuning", "globals": loader["globals"]}
    best = {"learning_rate": 0.00123, "batch_size": 7}
    conf = tmp_path / "conf"
    shutil.copytree(PROJECT / "conf", conf)
    made = make_environment(summary_of(approach, best), run, record)
    EnvironmentsDataset(filepath=str(conf)).save(made)
    written = OmegaConfigLoader(
        str(conf), base_env="base", env="tuned", merge_strategy={"parameters": "soft", "globals": "soft"}
    )
    expected = deepcopy(run)
    expected[approach] |= best
    assert written["parameters"] == expected
    check(written["parameters"])
    assert written["globals"]["experiment"] == "tuned"
    assert made["tuned"].keys() == {"globals.yml", "parameters.yml"}
    raw_data = {"lecture": "data/01_raw"}.get(environment, "conf/tuned/globals.yml")
    assert written["globals"]["dvc"]["raw_data"] == raw_data


def test_only_an_environment_that_a_search_wrote_is_written_again(tmp_path):
    dataset = EnvironmentsDataset(filepath=str(tmp_path))
    (tmp_path / "base").mkdir()
    (tmp_path / "local").mkdir()
    (tmp_path / "local/globals.yml").write_text("{}")
    globals_file = {"globals.yml": "# Written by a search\nexperiment: tuned\n"}
    dataset.save({"tuned": {**globals_file, "old.yml": "{}\n"}})
    dataset.save({"tuned": globals_file})
    assert list(dataset.load()) == ["tuned"]
    assert [path.name for path in (tmp_path / "tuned").iterdir()] == ["globals.yml"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "local", "tuned"]
    (tmp_path / "tuned/globals.yml").write_text("experiment: tuned\n")
    with pytest.raises(EnvironmentFilesError, match="no run has written it"):
        dataset.save({"tuned": {"globals.yml": "# Written by a search\n"}})
    (tmp_path / "mine").mkdir()
    with pytest.raises(EnvironmentFilesError, match=r"without a globals\.yml"):
        dataset.save({"mine": {"globals.yml": "# Written by a search\n"}})


def test_figures_and_page_say_what_was_found():
    trials = pd.DataFrame(
        {
            "trial": [1, 2, 3],
            "outcome": ["finished", "pruned", "finished"],
            "val_loss": [0.7, np.nan, 0.6],
            "epochs": [2, 1, 2],
            "optimizer": ["adam", "<sgd>", "nadam"],
        }
    )
    summary = {
        **summary_of("naive_cnn", {"optimizer": "nadam"}),
        "best_trial": 3,
        "best_val_loss": 0.6,
        "own_val_loss": 0.7,
        "trials": 3,
        "pruned": 1,
        "importance": {"optimizer": 1.0},
    }
    history, importance = nodes.draw_figures(trials, summary)
    best, points, stopped = history.axes[0].lines
    assert best.get_ydata()[-1] == 0.6
    assert points.get_xdata().tolist() == [1, 3]
    assert stopped.get_xdata().tolist() == [2]
    assert [bar.get_width() for bar in importance.axes[0].patches] == [1.0]
    page = nodes.report(trials, summary, b"history", b"importance")
    assert "validation log loss of 0.6000" in page
    assert "own values reach 0.7000" in page
    assert "&lt;sgd&gt;" in page
    assert "kedro run --env=tuned" in page
    _, importance = nodes.draw_figures(trials, {**summary, "importance": {}})
    assert "too few finished trials" in importance.texts[0].get_text()


def check_tracked_trials(project, trials, summary):
    """Every trial is a child run with the values that were tried and the loss they gave."""
    from dogs_vs_cats.tracking.store import prepare_mlflow

    prepare_mlflow()
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{project}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments)
    (parent,) = [run for run in runs if "run_group" in run.data.tags]
    assert parent.data.metrics["best_validation_log_loss"] == summary["best_val_loss"]
    assert parent.data.tags["best_trial"] == str(summary["best_trial"])
    children = {int(run.data.tags["trial"]): run for run in runs if run is not parent}
    assert sorted(children) == trials["trial"].tolist()
    searched = [name for name in trials.columns if name not in ("trial", "outcome", "val_loss", "epochs", "seconds")]
    assert "learning_rate" in searched
    for row in trials.to_dict("records"):
        run = children[row["trial"]]
        assert run.info.run_name.startswith(f"naive_cnn trial {row['trial']}")
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["outcome"] == row["outcome"]
        tried = {name: row[name] if isinstance(row[name], str) else json.dumps(row[name]) for name in searched}
        assert {name: run.data.params[name] for name in searched} == tried
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "val_loss")]
        assert steps == list(range(1, row["epochs"] + 1))
        if row["outcome"] == "finished":
            assert run.data.metrics["validation_log_loss"] == row["val_loss"]
            assert run.data.metrics["val_loss"] >= row["val_loss"]


@pytest.mark.slow
def test_the_pipeline_writes_an_environment_that_runs_and_never_replaces_a_persons(finished_project, tmp_path):
    project = copy_project(tmp_path / "project")
    shutil.copytree(finished_project / "data", project / "data", dirs_exist_ok=True)
    command = ["run", "--env=test", "--pipelines=tuning"]
    values = "tuning.approach=naive_cnn,tuning.trials=2,tuning.epochs=1"
    result = kedro(project, *command, f"--params={values}")
    assert result.stdout.rstrip().endswith("With the best values: kedro run --env=test_tuned")
    assert "Warning" not in result.stdout + result.stderr
    folder = project / "data/08_reporting/test/tuning"
    names = {"trials.csv", "summary.json", "history.png", "importance.png", "tuning.html"}
    assert {path.name for path in folder.iterdir()} == names
    trials = pd.read_csv(folder / "trials.csv")
    assert len(trials) == 2
    check_tracked_trials(project, trials, json.loads((folder / "summary.json").read_text()))
    block = yaml.safe_load((project / "conf/test_tuned/parameters.yml").read_text())["naive_cnn"]
    assert block["epochs"] == 2
    kedro(project, "run", "--env=test_tuned", "--pipelines=data_ingestion,naive_cnn", DOGS_VS_CATS_TRACKING="off")
    assert (project / "data/06_models/test_tuned/naive_cnn.keras").is_file()
    Path(project / "conf/test_tuned/globals.yml").write_text("experiment: test_tuned\n")
    result = kedro(project, *command, "--params=tuning.approach=naive_cnn", check=False, DOGS_VS_CATS_TRACKING="off")
    assert result.returncode == 1
    assert "no run has written it" in " ".join(result.stderr.split())


def test_no_text_tells_anyone_to_install_this_package_by_name():
    """It isn't published: whoever published that name would be run by those who follow the advice."""
    texts = [*(PROJECT / "src").rglob("*.py"), *(PROJECT / "docs").rglob("*.md"), PROJECT / "README.md"]
    texts += [*(PROJECT / "notebooks").glob("*.ipynb"), PROJECT / "Makefile"]
    named = re.compile(r"pip install[^\n]*\bdogs[-_]vs[-_]cats(?!-[\d.]+)")
    assert [path.name for path in texts if named.search(path.read_text(encoding="utf-8"))] == []
