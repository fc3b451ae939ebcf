"""A run that can't work is refused in one line before it computes anything."""

import re
from pathlib import Path

import pytest

from tests.conftest import copy_project, kedro_in_turn
from tests.pipelines.test_data_ingestion import folder_of

pytestmark = pytest.mark.medium

FRACTIONS = "ingestion.train_size=0.6,ingestion.validation_size=0.2,ingestion.test_size=0.2"


def test_nothing_is_computed_before_a_refusal(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    photos, pages = folder_of(tmp_path / "photos", 12, 12), tmp_path / "pages"
    for number in range(20):
        page = pages / ("cat", "dog")[number % 2] / f"{number}.jpg"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("<html></html>")
    large = "approaches=[transfer_bottleneck],transfer_bottleneck.pooling=avg,"
    large += "ingestion.train_size=100000,ingestion.image_size=4096"
    refusals = {
        f"ingestion.source={tmp_path}/nowhere,{FRACTIONS}": "The source .*/nowhere can't be opened",
        f"ingestion.source={photos}": r"asks for 800 images .* has 24 images \(12 cat, 12 dog\)",
        f"ingestion.source={photos},{FRACTIONS},ingestion.split=official": "no images in a train part of its own",
        f"ingestion.source={pages},{FRACTIONS}": "All 10 images of cat were tried, and none can be used: cat/0.jpg: ",
        f"{FRACTIONS}": r"To use your own photos, add --params=ingestion\.source=PATH",
        large: r"need about \d+\.\d GiB in data/02_intermediate/store, but only \d+\.\d GiB is free there",
    }
    answers = kedro_in_turn(project, *(["run", f"--params={values}"] for values in refusals))
    for answer, message in zip(answers, refusals.values(), strict=True):
        assert answer.returncode == 1
        assert "Traceback" not in answer.stdout + answer.stderr
        (line,) = [line for line in answer.stderr.splitlines() if line.startswith("Error: ")]
        assert re.search(message, line), line
    left = [path for path in (project / "data").rglob("*") if path.is_file()]
    assert [path.name for path in left] == [".sample.lock"]
