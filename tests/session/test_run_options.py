"""A slip in an option of `kedro run`, or in a file of conf, is one line that says what there is."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner
from kedro.framework.project import configure_project
from kedro.framework.session import KedroSession
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.cli import run
from dogs_vs_cats.datasets import JSONDataset
from dogs_vs_cats.errors import MissingInputError, listed
from dogs_vs_cats.parameters.command_line import parse
from dogs_vs_cats.session.selection import check_inputs
from tests.conftest import SOURCE, copy_project, kedro_in_turn


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("unchanged"))


@pytest.fixture
def project(unchanged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a conf of its own, which is the working directory."""
    configure_project("dogs_vs_cats")
    shutil.copytree(unchanged / "conf", tmp_path / "conf")
    shutil.copy(unchanged / "pyproject.toml", tmp_path)
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(*arguments: str) -> str:
    """The one line that `kedro run` ends with, in this process."""
    result = CliRunner().invoke(run, arguments, prog_name="kedro run")
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    [line] = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert result.output.endswith(line + "\n")
    return line


@pytest.mark.parametrize(
    ("arguments", "given", "suggested", "existing"),
    [
        ("--env=tset", "'tset'", "test", "lecture, local, mnist, photos, test"),
        ("--env=base/../test", "'base/../test'", "", "lecture, local, mnist, photos, test"),
        ("--env=production", "'production'", "", "lecture, local, mnist, photos, test"),
        ("--pipelines=comparsion", "'comparsion'", "comparison", "naive_cnn, replication"),
        ("--pipelines=comparison,inferense", "'inferense'", "inference", "inference"),
        ("--pipeline=comparsion", "'comparsion'", "comparison", "naive_cnn, replication"),
        ("--env=mnist --pipelines=lenet", "'lenet'", "lenet5", "lenet5, mlp"),
        ("--tags=kers", "'kers'", "keras", "keras"),
        ("--tags=keras,comparson", "'comparson'", "comparison", "keras"),
        ("--nodes=read_image", "'read_image'", "read_images", "split_images"),
        ("--nodes=nothing", "'nothing'", "", "split_images"),
        ("--from-nodes=train", "'train'", "naive_cnn.train", "transfer_bottleneck.train"),
        ("--to-nodes=reprot", "'reprot'", "report", "split_images"),
        ("--pipelines=inference --nodes=report", "'report'", "", "classify"),
        ("--pipelines=data_ingestion --from-inputs=manifst", "'manifst'", "manifest", "images, ingestion_record"),
        ("--from-inputs=manifst", "'manifst'", "manifest", " more."),
        ("--to-outputs=comparison_tabel", "'comparison_tabel'", "comparison_table", " more."),
        ("--namespaces=naive_cn", "'naive_cn'", "naive_cnn", "transfer_bottleneck"),
        ("--runner=SequentalRunner", "SequentalRunner", "", "ParallelRunner, SequentialRunner, ThreadRunner"),
        ("--runner=pathlib.Path", "pathlib.Path", "", "SequentialRunner"),
        ("--runner=nowhere.Runner", "nowhere.Runner", "", "SequentialRunner"),
        ("--runner-params=max_worker=2", "max_worker", "", ""),
        ("--runner-params=max_workers", "--runner-params: 'max_workers'", "", "NAME=VALUE"),
        ("--runner=ThreadRunner --runner-params=max_workers=0", "max_workers", "", ""),
        ("--load-versions=manifst:2020-01-01T00.00.00.000Z", "no versions of manifst", "", "dvc checkout"),
        ("--load-versions=manifest:2020-01-01T00.00.00.000Z", "no versions of manifest", "", "dvc checkout"),
        ("--load-versions=manifest", "manifest", "", "dataset_name:YYYY"),
        ("--conf-source=src", "src is no configuration", "", "base"),
        ("--conf-source=http://me:geheim@127.0.0.1:9/c.zip", "http://127.0.0.1:9/c.zip can't be read", "", "like conf"),
        ("--tags=comparison --nodes=read_images", "--nodes=read_images", "", "none in common"),
        ("--params=naive_cnn.epochs", "'naive_cnn.epochs'", "", "NAME=VALUE"),
        ("--params=ingestion.source=/a,b/c", "'b/c'", "", "'NAME=\"a,b\"'"),
        ("--params=ingestion.classes=[dog,cat", "ingestion.classes", "", "given was '[dog,cat'"),
        ("--params=seed=*x", "seed", "", "undefined alias"),
        ("--params=experiment=photos/2", "'photos/2'", "", "--params=experiment=lecture_2"),
        ("--params=experiment=..", "'..'", "", "a valid folder name"),
        ("--params=experiment.name=x", "{'name': 'x'}", "", "a valid folder name"),
    ],
)
def test_a_wrong_option_names_what_there_is(
    project: Path, arguments: str, given: str, suggested: str, existing: str
) -> None:
    line = refusal(*arguments.split())
    assert given in line
    assert (f"Did you mean {suggested}" if suggested else "") in line
    assert existing in line


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("parameters.yml", "seed: [1,", "conf/local/parameters.yml, line 1"),
        ("parameters.yml", "seed: 1\nseed: 2", "line 2: found duplicate key seed"),
        ("parameters.yml", "seed: \t1", "parameters.yml, line 1: found character '\\t'"),
        ("parameters.yml", "- 1", "parameters.yml: it holds a list"),
        ("parameters.yml", "- seed: 1", "parameters.yml: it holds a list"),
        ("parameters.yml", "seed: caf\xe9", "parameters.yml: 'utf-8' codec can't decode"),
        ("parameters.yml", "seed: ${oc.env:DVC_NOWHERE}", "seed: Environment variable 'DVC_NOWHERE' not found. Set it"),
        ("parameters.yml", "seed: ${runtime_params:x}", "seed: Runtime parameter 'x' not found"),
        ("parameters.yml", "seed: ${oc.nothing:x}", "seed: Unsupported interpolation type oc.nothing"),
        ("parameters.yml", "seed: ${", "seed: no viable alternative"),
        ("globals.yml", "experiment: [", "conf/local/globals.yml, line 1"),
        ("catalog.yml", "manifest: {filepath: [", "conf/local/catalog.yml, line 1"),
        ("catalog.yml", "manifest: {filepath: x.csv}", "dataset 'manifest': 'type' is missing"),
        ("catalog.yml", "manifest: {type: pandas.CSVDatset, filepath: x.csv}", "'CSVDatset' not found in 'pandas'"),
        ("catalog.yml", "manifest: {type: pandas.CSVDataset, filepat: x.csv}", "argument 'filepat'"),
    ],
)
def test_a_mistake_in_conf_is_named_with_its_place(project: Path, file: str, text: str, named: str) -> None:
    (project / "conf" / "local" / file).write_bytes(text.encode("latin-1"))
    assert named in refusal("--pipelines=data_ingestion")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("run:\n  nodess: x", "kedro run has no option nodess"),
        ("runs: {env: test}", "a block `run:`"),
        ("run: [", "options.yml, line 1: "),
        ("run: [env]", "lacks a block `run:`"),
        ("run: {env: tset}", "There is no environment 'tset'. Did you mean test?"),
        ("run: {pipelines: [comparison, augmentation], node_names: [report, rep]}", "--nodes=rep: there is no 'rep'."),
        ("run:\n  params: {naive_cnn: {epochs: 0}}", "naive_cnn.epochs"),
    ],
)
def test_a_mistake_in_a_file_of_options_is_named(project: Path, text: str, named: str) -> None:
    (project / "options.yml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(run, ["--config=options.yml"], prog_name="kedro run")
    assert result.exit_code == 1
    assert named in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "absent", "makers"),
    [
        ("--pipelines=augmentation", "images, manifest", "data_ingestion"),
        ("--nodes=naive_cnn.collect_data", "class_names, images, ingestion_record, manifest", "data_ingestion"),
        ("--nodes=naive_cnn.train", "naive_cnn.training_inputs", "data_ingestion,naive_cnn"),
        ("--from-inputs=manifest --pipelines=naive_cnn", "manifest", "data_ingestion"),
        ("--pipelines=transfer_bottleneck", "features", "data_ingestion,backbone,feature_extraction"),
        (
            "--pipelines=comparison",
            "naive_cnn.metrics",
            "data_ingestion,backbone,feature_extraction,naive_cnn,transfer_end_to_end,transfer_bottleneck",
        ),
        ("--pipelines=tuning", "features", "data_ingestion,backbone,feature_extraction"),
        ("--nodes=split_images", "usable_images", "data_ingestion"),
        (
            "--from-nodes=tabulate",
            "naive_cnn.result",
            "data_ingestion,backbone,feature_extraction,naive_cnn,transfer_end_to_end,transfer_bottleneck,comparison",
        ),
    ],
)
def test_a_run_that_starts_from_what_is_not_there_says_how_to_make_it(
    project: Path, arguments: str, absent: str, makers: str
) -> None:
    line = refusal(*arguments.split())
    assert absent in line
    assert line.endswith(f": kedro run --pipelines={makers}")


def test_that_command_names_the_environment(project: Path) -> None:
    line = refusal("--env=photos", "--nodes=split_images")
    assert line.endswith(": kedro run --env=photos --pipelines=data_ingestion")


def test_folders_and_files_that_conf_must_have_are_named(project: Path) -> None:
    shutil.rmtree(project / "conf" / "local")
    line = refusal()
    assert "'local', the default without --env. Environments in " in line
    assert "conf: base, from_scratch_3000, lecture" in line
    (project / "conf" / "base" / "globals.yml").unlink()
    assert "Globals key 'experiment' not found" in refusal("--env=base")


def test_conf_may_read_the_environment_and_parameters_of_the_command_line(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOS", "/photos")
    (project / "conf" / "local" / "parameters.yml").write_text(
        "seed: ${runtime_params:luck.number}\n"
        "ingestion: {source: '${oc.env:PHOTOS}/train.zip'}\n"
        "naive_cnn: {epochs: '${oc.decode:${oc.env:DVC_NOWHERE,3}}'}\n",
        encoding="utf-8",
    )
    catalog = "manifest: {type: pandas.CSVDataset, filepath: '${runtime_params:where}/manifest.csv'}"
    (project / "conf" / "local" / "catalog.yml").write_text(catalog, encoding="utf-8")
    given = {"luck": {"number": 7}, "where": "/elsewhere"}
    with KedroSession.create(project_path=project, runtime_params=given) as session:
        assert isinstance(session, KedroSession)
        context = session.load_context()
        assert context.params["seed"] == 7
        assert context.params["naive_cnn"]["epochs"] == 3
        assert context.config_loader["parameters"]["ingestion"]["source"] == "/photos/train.zip"
        assert str(vars(context.catalog.get("manifest"))["_filepath"]) == "/elsewhere/manifest.csv"


def test_a_run_with_an_experiment_of_its_own_keeps_the_results_of_the_environment(project: Path) -> None:
    def manifest(**given: object) -> Path:
        with KedroSession.create(project_path=project, env="test", runtime_params=given) as session:
            context = cast(KedroSession, session).load_context()
            assert context.params["seed"] == given["seed"]
            assert "experiment" not in context.params
            path = Path(str(vars(context.catalog.get("manifest"))["_filepath"]))
            assert context.config_loader["globals"]["experiment"] == path.parent.name
            return path.relative_to(project)

    assert manifest(seed=1) == Path("data/02_intermediate/test/manifest.csv")
    assert manifest(seed=2, experiment="test-2") == Path("data/02_intermediate/test-2/manifest.csv")
    assert manifest(seed=3, experiment=3) == Path("data/02_intermediate/3/manifest.csv")


def test_options_that_are_given_twice_add_to_each_other(project: Path) -> None:
    twice = ["--params=naive_cnn.epochs=0", "--params=seed=x,ingestion.channels=2"]
    result = CliRunner().invoke(run, twice, prog_name="kedro run")
    assert "3 parameters are wrong" in result.output
    (project / "run.yml").write_text("run: {params: {seed: x}}", encoding="utf-8")
    result = CliRunner().invoke(run, [f"--config={project / 'run.yml'}"], prog_name="kedro run")
    assert "seed: input should be a valid integer" in result.output


def test_a_parameter_that_no_file_reads_is_refused_as_before(project: Path) -> None:
    (project / "conf" / "local" / "parameters.yml").write_text("seed: ${runtime_params:number}", encoding="utf-8")
    result = CliRunner().invoke(run, ["--params=number=7,sead=8"], prog_name="kedro run")
    assert "1 parameter is wrong" in result.output
    assert "sead: there is no such parameter; did you mean seed?" in result.output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ingestion.classes=[dog,cat]", {"ingestion": {"classes": ["dog", "cat"]}}),
        ("a=[dog, cat],b=1", {"a": ["dog", "cat"], "b": 1}),
        ("a=[[1,2],[3,[4,5]]],b.c=[-1,-2.5,1e-4]", {"a": [[1, 2], [3, [4, 5]]], "b": {"c": [-1, -2.5, 1e-4]}}),
        ("a={b: 1, c: [2,3]},d=x", {"a": {"b": 1, "c": [2, 3]}, "d": "x"}),
        ('a={"b":1,"c":{"d":[]}}', {"a": {"b": 1, "c": {"d": []}}}),
        ("a=['x, y','it''s, [so]'],b='p,q'", {"a": ["x, y", "it's, [so]"], "b": "p,q"}),
        ('a="x, \\"y\\", z",b=["1,5",\'2\']', {"a": 'x, "y", z', "b": ["1,5", "2"]}),
        ("a=/home/o'brien/x,b=/data/[2020]/y,c=p=q[", {"a": "/home/o'brien/x", "b": "/data/[2020]/y", "c": "p=q["}),
        ("a=[null,true,3],b=null", {"a": [None, True, 3], "b": None}),
        ("a.b=1, a.c=2,", {"a": {"b": 1, "c": 2}}),
        ("a=[],b={}", {"a": [], "b": {}}),
        ("a=", {"a": None}),
        ("", {}),
    ],
)
def test_values_may_be_lists_and_blocks_and_have_commas(text: str, expected: dict) -> None:
    assert parse(text) == expected


def test_an_input_that_no_pipeline_makes_is_named_with_the_places_to_check(project: Path) -> None:
    catalog = DataCatalog({"nowhere": JSONDataset(filepath=str(project / "nowhere.json"))})
    with pytest.raises(MissingInputError, match=r"starts from nowhere, .* No pipeline produces it: check its name"):
        check_inputs(Pipeline([Node(listed, "nowhere", "text", name="read")]), catalog, None)


@pytest.mark.medium
def test_every_command_answers_so(unchanged: Path) -> None:
    """Real processes, and with them the commands that aren't ours."""
    unknown = (["run", "--env=tset"], ["catalog", "list-patterns", "--env=tset"])
    registry = (["registry", "list"], ["registry", "describe", "comparsion"])
    *refused, pipelines, described = kedro_in_turn(unchanged, *unknown, *registry, PYTHONPATH=str(SOURCE))
    for answer in refused:
        assert answer.returncode == 1
        assert "Traceback" not in answer.stdout + answer.stderr
        assert "Error: There is no environment 'tset'. Did you mean test?" in answer.stderr
    assert "- naive_cnn" in pipelines.stdout
    assert described.returncode == 1
    assert described.stderr.strip().startswith("Error: 'comparsion' pipeline not found. Existing pipelines: [")
    assert "None" not in described.stdout + described.stderr
    command = [sys.executable, "-m", "IPython", "--ext=kedro.ipython", "-c", "print(sorted(pipelines), context.env)"]
    session = subprocess.run(command, cwd=unchanged, capture_output=True, text=True, timeout=300, check=True)
    assert "naive_cnn" in session.stdout
