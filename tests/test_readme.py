"""The docs and the README's picture show one run of the sample, and commands fit into a terminal."""

import json
import re
import runpy

import pytest
from PIL import Image

from tests.conftest import PROJECT

RENEWAL = runpy.run_path(str(PROJECT / ".ci/readme.py"))
PICTURE = PROJECT / RENEWAL["PICTURE"]
STALE = "differs; renew all figures from one run: make readme"


@pytest.fixture(scope="module")
def shown():
    """Outputs that the page shows, by command."""
    text = (PROJECT / RENEWAL["PAGE"]).read_text(encoding="utf-8")
    return {found["command"]: found["output"] for found in RENEWAL["SHOWN"].finditer(text)}


@pytest.fixture(scope="module")
def metrics():
    """Metrics of the run in the picture, by approach and name."""
    with Image.open(PICTURE) as picture:
        nested = json.loads(picture.text["metrics"])
    return {f"{approach}.{name}": value for approach, values in nested.items() for name, value in values.items()}


def test_the_figures_of_the_page_are_those_of_the_picture_and_of_one_experiment(shown, metrics):
    differences = shown["dvc metrics diff"].splitlines()[1:]
    rows = [re.split(r"  +", line.strip()) for line in differences]
    assert len(rows) >= 4
    for _, name, before, after, _ in rows:
        assert round(metrics[name], 5) == float(before), f"{name} {STALE}"
        metrics[f"slower {name}"] = float(after)
    (table,) = (output for command, output in shown.items() if command.startswith("dvc exp show"))
    header, _, *lines = ([cell.strip() for cell in line.strip(" |").split("|")] for line in table.splitlines())
    experiments = {cells[0]: dict(zip(header[1:], cells[1:], strict=True)) for cells in lines}
    compared = 0
    for experiment, cells in experiments.items():
        prefix = "" if experiment == "main" else "slower "
        for name in cells.keys() & metrics.keys():
            assert float(cells[name]) == round(metrics.get(prefix + name, metrics[name]), 5), f"{experiment} {STALE}"
            compared += 1
    assert compared >= 6


def test_the_picture_is_small():
    assert PICTURE.stat().st_size < 1_000_000
    with Image.open(PICTURE) as picture:
        assert picture.width == RENEWAL["WIDTH"]


def test_the_figures_of_the_lectures_run_are_the_same_on_all_pages():
    def found(page, pattern):
        return re.findall(pattern, (PROJECT / page).read_text(encoding="utf-8"), re.MULTILINE)

    readme = found("README.md", r"^\| .+? \| \d+ \| (0\.\d{3}) \| (0\.\d{3}) \(")
    accuracy = r"^\| `(?:naive_cnn|transfer_end_to_end|transfer_bottleneck)` \| \d+ \| (0\.\d{3}), .+? \| (0\.\d{3}), "
    assert found("docs/accuracy.md", accuracy)[:3] == readme
    validation = (
        r"^\| (?:naive CNN|approach [12]): validation accuracy(?!.*pixels / 255 \|).*? \| L1 \| [\d.]+ \| ([\d.]+) \|"
    )
    replication = found("docs/replication.md", validation)
    assert [f"{float(value):.3f}" for value in replication] == [value for value, _ in readme]
