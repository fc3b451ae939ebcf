"""The loop of run, look, correct and run again, by the commands that a user gives."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import kedro_in_turn

RUN = ["run", "--env=test", "--params=approaches=[transfer_bottleneck]"]
LOOK = [*RUN, "--pipelines=data_quality"]

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def project(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has run once, for this module alone."""
    return shutil.copytree(finished_project, tmp_path_factory.mktemp("loop") / "project")


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, index_col="path")


def test_the_loop_of_looking_and_correcting(project: Path) -> None:
    report = project / "data/08_reporting/test"
    issues, corrections = report / "label_issues.csv", "corrections.csv"
    manifest = read(project / "data/02_intermediate/test/manifest.csv")
    before = (report / "comparison.html").read_text()

    (looked,) = kedro_in_turn(project, LOOK)

    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert "The page: data/08_reporting/test/data_quality.html" in looked.stdout
    first = read(issues)
    assert set(first["kind"]) <= {"label", "contradiction", "copy"}
    assert {"label"} <= set(first["kind"])
    assert "data_quality.html" in (report / "comparison.html").read_text()
    assert "data_quality.html" not in before

    # Of the rows that are photos with another label, one is wrong, and the others are applied as they are.
    kept = first[first["kind"] == "label"].copy()
    confirmed, relabelled = kept.index[0], kept.index[1:]
    kept.loc[confirmed, "label"] = manifest.loc[confirmed, "class_name"]
    kept.to_csv(project / corrections, encoding="utf-8-sig")
    wrong = f"--params=ingestion.corrections={issues.relative_to(project)}"
    given = f"--params=ingestion.corrections={corrections}"
    refused, early, corrected, again = kedro_in_turn(
        project, [*RUN, wrong], [*LOOK, given], [*RUN, given], [*LOOK, given]
    )

    assert refused.returncode == early.returncode == 1
    assert "a result that the next run would replace. Copy it to a file of your own" in refused.stderr
    assert "made with corrections: None then, 'corrections.csv" in " ".join(early.stderr.split())
    assert corrected.returncode == again.returncode == 0, corrected.stderr + again.stderr
    assert "Features: 80 images cached, 0 to extract" in corrected.stdout
    counts = json.loads((project / "data/02_intermediate/test/ingestion.json").read_text())["corrections"]
    assert sum(counts["relabelled"].values()) == len(relabelled)
    assert (sum(counts["left_out"].values()), counts["confirmed"], counts["unchanged"]) == (0, 1, 0)
    page = (report / "comparison.html").read_text()
    assert f"Corrections: {len(relabelled)} relabelled, 0 left out." in page
    assert "Trained without corrections, transfer_bottleneck classifies" in page
    after = read(project / "data/02_intermediate/test/manifest.csv")
    assert after.index[after["label"] != manifest["label"]].sort_values().tolist() == sorted(relabelled)

    second = read(issues)
    assert second.index[second["kind"] == "applied"].sort_values().tolist() == sorted(kept.index)
    assert (second.loc[kept.index, ["action", "label"]] == kept[["action", "label"]]).all(axis=None)
    assert second["kind"].iloc[: len(kept)].eq("applied").all()
