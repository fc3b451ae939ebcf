"""dvc.yaml as it is written from the pipelines, the catalog and the environments."""

import shutil
import subprocess
import sys

import grimp
import pytest
import yaml

from dogs_vs_cats.dvc_sync import environments, source_code
from dogs_vs_cats.dvc_sync.dvc_file import render
from dogs_vs_cats.dvc_sync.hooks import check_path
from dogs_vs_cats.errors import ConfigurationError, DVCFileError, ReproductionError
from dogs_vs_cats.images.correction_files import COLUMNS
from dogs_vs_cats.parameters.dvc_variables import NO_CORRECTIONS, variables
from dogs_vs_cats.session.config_loader import ConfigLoader
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


@pytest.mark.medium
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
        {"../base/parameters.yml": ["compute"]},
        {"../base/parameters_transfer_bottleneck.yml": ["transfer_bottleneck.pooling"]},
        {"${dvc.parameters}": ["compute", "transfer_bottleneck.pooling"]},
    ]
    own = {"../base/parameters_${item.approach}.yml": ["${item.approach}"]}
    assert all(own in stage["params"] for stage in stages.values() if "matrix" in stage)
    # The images have the size of the base where `ingestion.image_size` is `auto`.
    sized = {name for name, stage in stages.items() if "backbone" in stage["params"][-1]["${dvc.parameters}"]}
    assert {"prepare", "backbone"} <= sized
    augmented = {name for name, stage in stages.items() if "augmentation" in stage["params"][-1]["${dvc.parameters}"]}
    assert augmented == {"prepare", "approach_on_images", "approach_on_backbone", "compare"}


def reaches(paths, module):
    """Whether a file of the package is among paths, or in a folder that is."""
    return any(module == path or module.startswith(f"{path}/") for path in paths)


def test_a_stage_depends_on_the_code_that_can_change_its_outcome_and_on_no_other(stages):
    read = {name: [path.removeprefix(SOURCE) for path in stage["deps"]] for name, stage in stages.items()}
    on_approaches = {name for name, stage in stages.items() if "matrix" in stage}
    expected = {
        "images/sources/archive.py": {"prepare"},
        "images/decoding/__init__.py": {"prepare"},
        "images/splitting.py": {"prepare", *on_approaches},
        "pipelines/data_ingestion/nodes.py": {"prepare"},
        "images/generated/source_task.py": {"prepare", "backbone"},
        "pipelines/backbone/pipeline.py": {"backbone"},
        "models/backbones/applications.py": {"backbone"},
        "models/output_layers.py": on_approaches,
        "training/loop.py": on_approaches,
        "images/batches.py": {"prepare", *on_approaches},
        "images/augmentation/engines.py": {"prepare", *on_approaches},
        "approaches/${item.approach}.py": on_approaches,
        "approaches/naive_cnn.py": set(),
        "evaluation/metrics.py": {*on_approaches, "compare"},
        "reporting/comparison_page.py": {"compare"},
        "reporting/templates/comparison.html": {"compare"},
        "tracking/hooks.py": set(),
        "app/answers.py": set(),
    }
    for module, found in expected.items():
        assert {name for name, paths in read.items() if reaches(paths, module)} >= found, module
        if not module.startswith("evaluation"):
            assert {name for name, paths in read.items() if reaches(paths, module)} == found, module
    assert not any(path.startswith("reporting") for name in on_approaches for path in read[name])


def test_the_models_of_every_environment_that_dvc_runs_are_artifacts():
    artifacts = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["artifacts"]
    assert artifacts["naive-cnn"] == {"path": "data/06_models/sample/naive_cnn.keras", "type": "model"}
    assert artifacts["lecture-transfer-end-to-end"]["path"] == "data/06_models/lecture/transfer_end_to_end.keras"
    assert not [name for name in artifacts if name.startswith(("mnist", "photos", "base"))]


def test_nothing_that_differs_between_equal_runs_is_an_out(stages):
    kept = {
        (next(iter(entry)) if isinstance(entry, dict) else entry).rpartition("/")[2]
        for stage in stages.values()
        for entry in [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
    }
    varying = {"timings.json", "comparison.csv", "comparison.html", "provenance.json", "model_card.md"}
    assert not {*varying, "tracking_links.json"} & kept
    assert {"metrics.json", "comparison.json", "predictions.csv", "${item.approach}.keras", "manifest.csv"} <= kept


def test_a_folder_stands_for_its_modules_where_several_are_imported(monkeypatch):
    graph = grimp.ImportGraph()
    for importer, imported in (("a.nodes", "b.one"), ("a.nodes", "b.two"), ("a.more", "b.three"), ("b.three", "b.two")):
        graph.add_import(importer=f"dogs_vs_cats.{importer}", imported=f"dogs_vs_cats.{imported}")
    monkeypatch.setattr(source_code, "_graph", lambda: graph)
    assert source_code.source_paths(["dogs_vs_cats.a.nodes"]) == ["a/nodes.py", "b/one.py", "b/two.py"]
    assert source_code.source_paths(["dogs_vs_cats.a.nodes", "dogs_vs_cats.a.more"]) == [
        "a/more.py",
        "a/nodes.py",
        "b.py",
    ]


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
        ("{type: pandas.CSVDataset, filepath: data/x.csv, metadata: {dvc: {plots: {x: a}}}}", "is not one of them"),
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
    edit(mine / "parameters.yml", "  pooling: flatten\n", "")
    edit(mine / "parameters.yml", "source: sample", "source: data/01_raw/photos.zip")
    (mine / "parameters_backbone.yml").write_text("backbone: {name: VGG16}\n")
    (mine / "catalog.yml").write_text("x: {type: MemoryDataset}\n")
    edit(mine / "globals.yml", "experiment: test\n", "")
    found = "\n".join(environments.problems(project))
    assert "conf/mine/parameters.yml lacks what DVC looks for; `kedro dvc sync` adds it" in found
    assert "conf/mine/globals.yml lacks what DVC looks for; `kedro dvc sync` adds it" in found
    assert "conf/mine has catalog.yml, parameters_backbone.yml, and DVC follows its parameters.yml and the cat" in found
    assert "conf/mine/globals.yml doesn't state experiment" in found


def test_what_dvc_looks_for_is_added_without_changing_anything(project):
    mine = project / "conf/mine"
    mine.mkdir()
    (mine / "globals.yml").write_text("experiment: mine # ours\n")
    ours = "# Ours.\ntransfer_bottleneck: # the head\n  epochs: 0x10 # hexadecimal\n  early_stopping_patience: null\n"
    (mine / "parameters.yml").write_text(ours)
    before = merged(project, "mine")
    environments.complete(project)
    own = yaml.safe_load((mine / "parameters.yml").read_text())
    assert own["naive_cnn"] == {}
    assert own["transfer_bottleneck"] == {"epochs": 16, "early_stopping_patience": None, "pooling": "flatten"}
    assert (mine / "parameters.yml").read_text().startswith(f"{ours}  pooling: flatten\n")
    assert yaml.safe_load((mine / "globals.yml").read_text()) == {
        "experiment": "mine",
        "dvc": {
            "raw_data": "conf/mine/globals.yml",
            "corrections": "conf/base/no_corrections.csv",
            "parameters": "parameters.yml",
        },
    }
    assert merged(project, "mine") == before
    assert environments.problems(project) == []
    assert environments.complete(project) == []


def merged(project, environment):
    loader = ConfigLoader(
        str(project / "conf"), base_env="base", env=environment, merge_strategy={"parameters": "soft"}
    )
    return loader["parameters"]


def test_an_environment_with_other_approaches_is_left_to_kedro(project):
    mine = project / "conf/mine"
    mine.mkdir()
    (mine / "globals.yml").write_text("experiment: mine\n")
    (mine / "parameters.yml").write_text("approaches: [naive_cnn]\n")
    environments.complete(project)
    assert "naive_cnn" not in yaml.safe_load((mine / "parameters.yml").read_text())
    (mine / "parameters_naive_cnn.yml").write_text("naive_cnn: {epochs: 1}\n")
    assert environments.problems(project) == []


def test_raw_data_is_watched_where_there_is_some(project):
    def raw_data(source, images=None):
        return variables("mine", {"source": source, "images": images})["raw_data"]

    assert raw_data("data/01_raw/photos.zip") == "data/01_raw"
    assert raw_data("elsewhere/photos") == "elsewhere/photos"
    assert raw_data("elsewhere/photos.zip/color") == "elsewhere/photos.zip"
    for source in ("sample", "keras:mnist", "https://example.org/a.zip", "/photos", "../photos", "~/photos"):
        assert raw_data(source) == "conf/mine/globals.yml"
    assert raw_data("elsewhere/tables/labels.csv") == "elsewhere/tables"  # where its photos are
    assert raw_data("labels.csv") == "labels.csv"
    assert raw_data("data/01_raw/labels.csv", "data/01_raw/photos") == "data/01_raw"
    assert raw_data("elsewhere/tables/labels.csv", "elsewhere/photos") == "elsewhere"
    assert raw_data("tables/labels.csv", "photos") == raw_data("tables/labels.csv", "/photos") == "tables/labels.csv"
    assert variables("base", {"source": "sample"})["parameters"] == "no_overrides.yml"


def test_the_stage_that_corrects_labels_depends_on_the_corrections(stages):
    def corrections(path):
        return variables("mine", {"source": "sample", "corrections": path})["corrections"]

    assert corrections("conf/mine/fixes.csv") == "conf/mine/fixes.csv"
    assert corrections(None) == corrections("/fixes.csv") == corrections("../fixes.csv") == NO_CORRECTIONS
    assert (PROJECT / NO_CORRECTIONS).read_text() == ",".join(COLUMNS) + "\n"
    followers = [name for name, stage in stages.items() if "../../${dvc.corrections}" in stage["deps"]]
    assert followers == ["prepare"]


def test_corrections_that_dvc_doesnt_watch_are_refused(tmp_path):
    given = ("ingestion.corrections", "conf/mine/fixes.csv", "corrections")
    check_path(*given, "conf/mine/fixes.csv", tmp_path, "mine")
    with pytest.raises(ReproductionError, match=r"-S conf/mine/globals\.yml:dvc\.corrections=conf/mine/fixes\.csv"):
        check_path(*given, NO_CORRECTIONS, tmp_path, "mine")
    with pytest.raises(ReproductionError, match=r"Put the table and its images into one folder, such as data/01_raw"):
        check_path("ingestion.images", "photos", "raw_data", "tables/labels.csv", tmp_path, "mine")
    with pytest.raises(ReproductionError, match=r"mine/globals\.yml lacks dvc\.corrections.* Run `kedro dvc sync`"):
        check_path(*given, None, tmp_path, "mine")


@pytest.mark.parametrize(
    "source",
    [
        *("sample", "keras:mnist", "https://example.org/photos.zip"),
        *("data/01_raw/photos.zip", "data/01_raw/photos.zip/color"),
    ],
)
def test_sources_that_dvc_can_follow_are_accepted(tmp_path, source):
    check_path("ingestion.source", source, "raw_data", "data/01_raw", tmp_path, "lecture")


def test_an_address_is_accepted_with_a_warning_that_names_no_secret(tmp_path, caplog):
    source = "https://example.org/photos.zip?X-Amz-Signature=geheim"
    check_path("ingestion.source", source, "raw_data", "conf/lecture/globals.yml", tmp_path, "lecture")
    assert "DVC doesn't notice when https://example.org/photos.zip?X-Amz-Signature=***" in caplog.text


def test_a_folder_in_an_archive_that_dvc_tracks_is_accepted_in_a_temporary_folder(tmp_path):
    temporary = tmp_path / ".dvc/tmp/exps/tmp1"
    (temporary / "data/01_raw").mkdir(parents=True)
    (temporary / "data/01_raw/photos.zip").touch()
    check_path("ingestion.source", "data/01_raw/photos.zip/color", "raw_data", "data/01_raw", temporary, "lecture")


def test_a_source_outside_is_refused_in_a_temporary_folder_and_named_elsewhere(tmp_path, caplog):
    (tmp_path / "photos.zip").touch()
    source = str(tmp_path / "photos.zip")
    temporary = tmp_path / "project/.dvc/tmp/exps/tmp1"
    with pytest.raises(ReproductionError, match=r"temporary folder.*dvc add"):
        check_path("ingestion.source", source, "raw_data", "data/01_raw", temporary, "lecture")
    check_path("ingestion.source", source, "raw_data", "data/01_raw", tmp_path / "project", "lecture")
    assert f"DVC doesn't notice when {source} (ingestion.source) changes" in caplog.text


def test_an_untracked_or_unwatched_source_is_refused(tmp_path):
    source = "data/01_raw/photos.zip"
    temporary = tmp_path / ".dvc/tmp/exps/tmp1"
    with pytest.raises(ReproductionError, match=r"only what git and DVC track.*`dvc add` it there"):
        check_path("ingestion.source", source, "raw_data", "data/01_raw", temporary, "lecture")
    with pytest.raises(ReproductionError, match=r"-S conf/base/globals.yml:dvc.raw_data=data/01_raw"):
        check_path("ingestion.source", source, "raw_data", "conf/base/globals.yml", tmp_path, "base")


def test_writing_needs_neither_tensorflow_nor_mlflow():
    code = (
        "import sys; from dogs_vs_cats.dvc_sync.dvc_file import render; render(); "
        "print([name for name in ('tensorflow', 'keras', 'mlflow', 'dvc') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": "src", "PATH": ""}, cwd=PROJECT, capture_output=True, text=True
    )
    assert done.stdout.endswith("[]\n"), done.stdout + done.stderr


@pytest.mark.medium
def test_the_command_says_exactly_what_differs_and_writes_it(tmp_path):
    project = copy_project(tmp_path / "project")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(PROJECT / name, project)
    edit(project / "dvc.yaml", "../base/parameters_ingestion.yml: [ingestion]", "../base/old.yml: [ingestion]")

    def sync(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "kedro", "dvc", "sync", *arguments], cwd=project, capture_output=True, text=True
        )

    checked = sync("--check")
    assert checked.returncode == 1
    line = "../base/parameters_ingestion.yml: [ingestion]"
    assert f"-    - ../base/old.yml: [ingestion]\n+    - {line}" in checked.stderr
    assert "Traceback" not in checked.stderr
    assert sync().returncode == 0
    assert (project / "dvc.yaml").read_text() == (PROJECT / "dvc.yaml").read_text()
    assert sync("--check").returncode == 0
