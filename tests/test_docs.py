"""README and docs fit into a terminal, name files that exist, and their example of an approach runs."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.conftest import PROJECT, copy_project, kedro

PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`((?:src|tests|conf|benchmarks|notebooks|\.ci|\.github)/[\w./-]+)`")
COLUMNS = 100


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of a page in one language, without the indentation of a list around them."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [
        re.sub(f"^{block['indent']}", "", block["text"], flags=re.M) for block in found if block["language"] == language
    ]


def test_the_readme_is_short():
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_fit_into_a_terminal(page):
    wide = [line for text in blocks(page, "bash") for line in text.splitlines() if len(line) > COLUMNS]
    assert wide == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_are_valid_for_the_shell(page):
    for text in blocks(page, "bash"):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True, capture_output=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_named_files_exist(page):
    named = set(NAMED.findall(page.read_text(encoding="utf-8")))
    examples = {f"src/dogs_vs_cats/approaches/{name}.py" for name in ("NAME", "one_layer")}
    assert sorted(name for name in named - examples if not (PROJECT / name).exists()) == []


def test_the_architecture_lists_the_package_in_the_order_of_its_layers():
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    page = (PROJECT / "docs/architecture.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| folder or module | content |\n| --- | --- |\n")
    rows = table.partition("\n\n")[0].splitlines()
    listed = [
        {name.rstrip("/").removesuffix(".py") for name in re.findall("`(.+?)`", row.split("|")[1])} for row in rows
    ]
    assert listed == [set(layer.split(" : ")) for layer in layers]


@pytest.mark.medium
def test_the_approach_of_the_docs_runs_with_two_files(tmp_path):
    page = PROJECT / "docs/architecture.md"
    (module,) = blocks(page, "python")
    parameters, *_ = blocks(page, "yaml")
    project = copy_project(tmp_path / "project")
    (project / "src/dogs_vs_cats/approaches/one_layer.py").write_text(module, encoding="utf-8")
    (project / "conf/base/parameters_approaches.yml").write_text(parameters, encoding="utf-8")
    kedro(project, "run", "--env=test", "--params=approaches=[one_layer]", DOGS_VS_CATS_TRACKING="off")
    assert (project / "data/06_models/test/one_layer.keras").is_file()
    assert "one_layer" in (project / "data/08_reporting/test/comparison.html").read_text(encoding="utf-8")
