"""dvc.yaml as it is written from the pipelines, the catalog and the environments."""

import shutil
import subprocess
import sys

import pytest
import yaml

from dogs_vs_cats.dvc_sync import environments, source_files
from dogs_vs_cats.dvc_sync.dvc_file import render
from dogs_vs_cats.dvc_sync.hooks import check_source
from dogs_vs_cats.errors import ConfigurationError, DVCFileError, ReproductionError
from tests.conftest import PROJECT, copy_project, kedro

SOURCE = "../../src/dogs_vs_cats/"


@pytest.fixture(scope="module")
def stages():
    return yaml.safe_load(render())["stages"]


@pytest.fixture
def project(tmp_path):
    shutil.copytree(PROJECT / "conf", tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    shutil.copytree(PROJECT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def catalog_file(project, entry):
    return next(
        path for path in (project / "conf/base").glob("catalog*.yml") if entry in yaml.safe_load(path.read_text())
    )


def test_the_committed_file_is_what_sync_writes():
    assert (PROJECT / "dvc.yaml").read_text() == render()


@pytest.mark.slow
def test_a_stage_that_was_frozen_stays_so(tmp_path):
    project = copy_project(tmp_path)
    text = (PROJECT / "dvc.yaml").read_text()
    frozen = text.replace("  prepare:\n", "  prepare:\n    frozen: true\n")
    assert frozen != text
    (project / "dvc.yaml").write_text(frozen)
    kedro(project, "dvc", "sync", "--check")
    (project / "dvc.yaml").write_text("<<<<<<< main\n" + frozen)
    kedro(project, "dvc", "sync")
    assert (project / "dvc.yaml").read_text() == text


def test_every_environment_can_be_followed():
    assert environments.problems() == []


def test_every_stage_runs_the_environment_that_params_yaml_names(stages):
    assert yaml.safe_load((PROJECT / "params.yaml").read_text()) == {"env": "base"}
    for stage in stages.values():
        assert " --env=${env} " in stage["cmd"]
        assert stage["wdir"] == "conf/${env}"
        assert "../../requirements.lock" in stage["deps"]


def test_an_approach_waits_only_for_what_it_reads(stages):
    read = {name: set(stage["deps"]) for name, stage in stages.items()}
    approach = {item: name for name, stage in stages.items() for item in stage.get("matrix", {}).get("approach", [])}
    features = "../../data/04_feature/${experiment}/features.npy"
    backbone = "../../data/06_models/${experiment}/backbone.keras"
    assert {features, backbone} & read[approach["naive_cnn"]] == set()
    assert {features, backbone} <= read[approach["transfer_end_to_end"]]
    assert {features, backbone} <= read[approach["transfer_bottleneck"]]


def test_parameters_are_followed_in_base_and_in_the_environment_one_by_one(stages):
    assert stages["features"]["params"] == [
        {"${base_folder}parameters.yml": None},
        {"${base_folder}parameters_transfer_bottleneck.yml": ["transfer_bottleneck.pooling"]},
        {"parameters.yml": None},
        {"parameters_transfer_bottleneck.yml": ["transfer_bottleneck.pooling"]},
    ]
    own = {"parameters_${item.approach}.yml": ["${item.approach}"]}
    assert all(own in stage["params"] for stage in stages.values() if "matrix" in stage)


def test_a_stage_depends_on_the_source_files_that_can_change_its_outcome(stages):
    read = {name: {path.removeprefix(SOURCE) for path in stage["deps"]} for name, stage in stages.items()}
    assert {
        "images/sources/archive.py",
        "images/decoding/__init__.py",
        "images/splitting.py",
        "datasets/memory_map.py",
    } <= read["prepare"]
    assert "training/loop.py" not in read["prepare"]
    for name, stage in stages.items():
        if "matrix" in stage:
            assert {
                "training/loop.py",
                "images/batches.py",
                "evaluation/metrics.py",
                "approaches/${item.approach}.py",
            } <= read[name]
            assert not {f"approaches/{approach}.py" for approach in stage["matrix"]["approach"]} & read[name]
    assert "images/augmentation/engines.py" in read["approach_on_images"]
    assert "images/augmentation/engines.py" not in read["approach_on_features"]
    assert not {"training/loop.py", "models/backbones.py"} & read["compare"]


def test_nothing_that_differs_between_equal_runs_is_an_out(stages):
    kept = {
        (next(iter(entry)) if isinstance(entry, dict) else entry).rpartition("/")[2]
        for stage in stages.values()
        for entry in [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
    }
    assert not {"timings.json", "comparison.csv", "comparison.html", "tracking_links.json"} & kept
    assert {"metrics.json", "comparison.json", "predictions.csv", "${item.approach}.keras", "manifest.csv"} <= kept


def test_names_are_followed_through_packages_and_into_functions(tmp_path, monkeypatch):
    files = {
        "__init__.py": '"""Doc."""\n',
        "a.py": (
            "from dogs_vs_cats.tools import used\nfrom dogs_vs_cats import c\ndef f():\n    return used() + c.g()\n"
        ),
        "tools/__init__.py": "from dogs_vs_cats.tools.x import used\nfrom dogs_vs_cats.tools.y import unused\n",
        "tools/x.py": (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dogs_vs_cats.types_only import T\n"
            "def used():\n    from dogs_vs_cats.late import late\n    return late\n"
        ),
        "tools/y.py": "unused = 1\n",
        "late.py": "late = 1\n",
        "types_only.py": "T = int\n",
        "c.py": (
            "import dogs_vs_cats.d as d\ndef g():\n    return d.CONSTANT\n"
            "def h():\n    from dogs_vs_cats.far import far\n"
        ),
        "d.py": "from dogs_vs_cats.e import value\nCONSTANT = value\n",
        "e.py": "value = 1\n",
        "far.py": "far = 1\n",
    }
    for name, text in files.items():
        (tmp_path / "dogs_vs_cats" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dogs_vs_cats" / name).write_text(text)
    monkeypatch.setattr(source_files, "SOURCE", tmp_path)
    source_files._parse.cache_clear()
    source_files._is_module.cache_clear()
    try:
        found = source_files.source_files([("dogs_vs_cats.a", "f")])
    finally:
        source_files._parse.cache_clear()
        source_files._is_module.cache_clear()
    names = {path.relative_to(tmp_path / "dogs_vs_cats").as_posix() for path in found}
    assert names == {"a.py", "tools/__init__.py", "tools/x.py", "late.py", "c.py", "d.py", "e.py"}


def test_an_entry_that_does_not_say_what_dvc_makes_of_it_fails(project):
    path = catalog_file(project, "manifest")
    path.write_text(path.read_text() + "\nforgotten:\n  type: pandas.CSVDataset\n  filepath: data/08_reporting/x.csv\n")
    with pytest.raises(DVCFileError, match="forgotten: has none"):
        render(project)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{type: pandas.CSVDataset, filepath: data/x.csv, metadata: {dvc: output}}", "'output' is not one of them"),
        (
            "{type: pandas.CSVDataset, filepath: data/x.csv, versioned: true, metadata: {dvc: out}}",
            "exclude each other",
        ),
        ("{type: pandas.CSVDataset, filepath: x.csv, metadata: {dvc: out}}", "keeps files under data/"),
        ("{type: pandas.CSVDataset, filepath: data/x.csv, metadata: {dvc: out}}", "no stage makes it"),
        ("{type: pandas.CSVDataset, filepath: data/x.csv, metadata: {dvc: {plot: {z: a}}}}", "a plot has no z"),
    ],
)
def test_an_entry_that_dvc_cannot_keep_fails(project, entry, message):
    (project / "conf/base/catalog_mine.yml").write_text(f"mine: {entry}\n")
    with pytest.raises(DVCFileError, match=message):
        render(project)


def check(project):
    environments.problems(project)
    render(project)


@pytest.mark.parametrize("file", ["base/catalog_mine.yml", "base/parameters_mine.yml", "test/parameters.yml"])
def test_a_file_that_is_not_yaml_is_named_with_its_line(project, file):
    (project / "conf" / file).write_text("a: 1\nb: [\n")
    with pytest.raises(ConfigurationError, match=rf"{file}, line 3: expected the node content"):
        check(project)


def test_what_goes_from_stage_to_stage_must_be_kept(project):
    edit(catalog_file(project, "backbone_record"), "backbone_record:", "renamed:")
    with pytest.raises(DVCFileError, match=r"backbone_record goes from one stage to another|renamed is to be"):
        render(project)


def test_an_environment_that_dvc_cannot_follow_is_described(project):
    mine = project / "conf/mine"
    shutil.copytree(project / "conf/test", mine)
    (mine / "parameters_naive_cnn.yml").unlink()
    (mine / "parameters_transfer_bottleneck.yml").write_text("transfer_bottleneck: {epochs: 1}\n")
    (mine / "parameters_comparison.yml").write_text("comparison: {}\nbackbone: {name: VGG16}\n")
    (mine / "parameters_backbone.yml").unlink()
    edit(mine / "parameters_ingestion.yml", "source: sample", "source: data/01_raw/photos.zip")
    found = "\n".join(environments.problems(project))
    assert "conf/mine/parameters_naive_cnn.yml is missing" in found
    assert "conf/mine/parameters_transfer_bottleneck.yml doesn't state transfer_bottleneck.pooling" in found
    assert "conf/mine/parameters_comparison.yml has backbone, which DVC looks for in parameters_backbone.yml" in found
    assert "conf/mine/dvc_vars.yml is out of date" in found


def test_missing_parameter_files_are_written_without_changing_anything(project):
    mine = project / "conf/mine"
    mine.mkdir()
    (mine / "globals.yml").write_text("experiment: mine\n")
    environments.complete(project)
    assert yaml.safe_load((mine / "parameters_naive_cnn.yml").read_text()) == {"naive_cnn": {}}
    bottleneck = yaml.safe_load((mine / "parameters_transfer_bottleneck.yml").read_text())
    assert bottleneck == {"transfer_bottleneck": {"pooling": "flatten"}}
    assert yaml.safe_load((mine / "dvc_vars.yml").read_text()) == {
        "raw_data": "conf/mine/dvc_vars.yml",
        "base_folder": "../base/",
    }
    assert environments.problems(project) == []
    assert environments.complete(project) == []


def test_an_environment_with_other_approaches_is_left_to_kedro(project):
    shutil.copytree(project / "conf/test", project / "conf/mine")
    (project / "conf/mine/parameters_approaches.yml").write_text("approaches: [naive_cnn]\n")
    (project / "conf/mine/parameters_naive_cnn.yml").unlink()
    environments.complete(project)
    assert not environments.is_reproducible("mine", project)
    assert not (project / "conf/mine/parameters_naive_cnn.yml").exists()
    assert environments.problems(project) == []


def test_raw_data_is_watched_where_there_is_some(project):
    def raw_data(source):
        (project / "conf/mine").mkdir(exist_ok=True)
        (project / "conf/mine/parameters_ingestion.yml").write_text(f"ingestion: {{source: '{source}'}}\n")
        return yaml.safe_load(environments.wanted_variables("mine", project))["raw_data"]

    assert raw_data("data/01_raw/photos.zip") == "data/01_raw"
    assert raw_data("elsewhere/photos") == "elsewhere/photos"
    assert raw_data("elsewhere/photos.zip/color") == "elsewhere/photos.zip"
    for source in ("sample", "keras:mnist", "https://example.org/a.zip", "/photos", "../photos", "~/photos"):
        assert raw_data(source) == "conf/mine/dvc_vars.yml"
    assert yaml.safe_load(environments.wanted_variables("base", project))["base_folder"] == ""


@pytest.mark.parametrize(
    "source",
    [
        *("sample", "keras:mnist", "https://example.org/photos.zip"),
        *("data/01_raw/photos.zip", "data/01_raw/photos.zip/color"),
    ],
)
def test_sources_that_dvc_can_follow_are_accepted(tmp_path, source):
    check_source(source, "data/01_raw", tmp_path, "lecture")


def test_a_folder_in_an_archive_that_dvc_tracks_is_accepted_in_a_temporary_folder(tmp_path):
    temporary = tmp_path / ".dvc/tmp/exps/tmp1"
    (temporary / "data/01_raw").mkdir(parents=True)
    (temporary / "data/01_raw/photos.zip").touch()
    check_source("data/01_raw/photos.zip/color", "data/01_raw", temporary, "lecture")


def test_a_source_outside_is_refused_in_a_temporary_folder_and_named_elsewhere(tmp_path, caplog):
    (tmp_path / "photos.zip").touch()
    source = str(tmp_path / "photos.zip")
    temporary = tmp_path / "project/.dvc/tmp/exps/tmp1"
    with pytest.raises(ReproductionError, match=r"temporary folder.*dvc add"):
        check_source(source, "data/01_raw", temporary, "lecture")
    check_source(source, "data/01_raw", tmp_path / "project", "lecture")
    assert "DVC doesn't notice when it changes" in caplog.text


def test_an_untracked_or_unwatched_source_is_refused(tmp_path):
    source = "data/01_raw/photos.zip"
    temporary = tmp_path / ".dvc/tmp/exps/tmp1"
    with pytest.raises(ReproductionError, match=r"neither git nor DVC tracks.*dvc add data/01_raw/photos.zip"):
        check_source(source, "data/01_raw", temporary, "lecture")
    with pytest.raises(ReproductionError, match=r"-S conf/base/dvc_vars.yml:raw_data=data/01_raw"):
        check_source(source, "conf/base/dvc_vars.yml", tmp_path, "base")


def test_writing_needs_neither_tensorflow_nor_mlflow():
    code = (
        "import sys; from dogs_vs_cats.dvc_sync.dvc_file import render; render(); "
        "print([name for name in ('tensorflow', 'keras', 'mlflow', 'dvc') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": "src", "PATH": ""}, cwd=PROJECT, capture_output=True, text=True
    )
    assert done.stdout.endswith("[]\n"), done.stdout + done.stderr


@pytest.mark.slow
def test_the_command_says_exactly_what_differs_and_writes_it(tmp_path):
    project = copy_project(tmp_path / "project")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(PROJECT / name, project)
    edit(
        project / "dvc.yaml",
        "../../src/dogs_vs_cats/images/splitting.py",
        "../../src/dogs_vs_cats/images/splitting_old.py",
    )

    def sync(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "kedro", "dvc", "sync", *arguments], cwd=project, capture_output=True, text=True
        )

    checked = sync("--check")
    assert checked.returncode == 1
    assert (
        "-      - ../../src/dogs_vs_cats/images/splitting_old.py\n+      - ../../src/dogs_vs_cats/images/splitting.py"
        in checked.stderr
    )
    assert "Traceback" not in checked.stderr
    assert sync().returncode == 0
    assert (project / "dvc.yaml").read_text() == (PROJECT / "dvc.yaml").read_text()
    assert sync("--check").returncode == 0
