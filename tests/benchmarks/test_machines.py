"""Results of benchmarks: a file for each kind of machine, and tables with a column for each."""

import json

import pytest

from benchmarks import machines

EPYC = {"processor": "AMD EPYC, family 25, model 17", "cores": 2, "instructions": "AVX512-BF16", "memory_gib": 24}
XEON = {"processor": "Intel(R) Xeon(R) @ 2.20GHz, family 6, model 79", "cores": 8, "instructions": "AVX2"}
MEASURED = {"commit": "abc1234", "date": "2026-01-02", "versions": {"keras": "3.15.1"}}


def row(usual, ours, **more):
    return {"usual": usual, "ours": ours, "ratio": usual / ours, "unit": "s", **MEASURED, **more}


@pytest.fixture
def results():
    """Two kinds of machines; one lacks a row of the other, and has a row of the peers."""
    return [
        {"machine": {**XEON, "memory_gib": 30}, "rows": {"lecture_run": row(300, 120, note="busy")}, "peers": {}},
        {
            "machine": EPYC,
            "rows": {"lecture_run": row(200, 80), "augmentation": row(3, 0.25)},
            "peers": {"training": {"ours": 150.4, "pytorch": 1234.5, "unit": "images/s", **MEASURED}},
        },
    ]


@pytest.mark.parametrize(
    ("machine", "name"),
    [(EPYC, "amd-epyc-family-25-model-17-2.json"), (XEON, "intel-xeon-2-20ghz-family-6-model-79-8.json")],
)
def test_files_are_named_after_processor_and_cores(machine, name):
    assert machines.file_name(machine) == name


def test_the_table_has_a_column_for_each_machine_and_gaps_where_a_row_was_not_measured(results):
    header, _, lecture, augmentation = machines.table(results).splitlines()
    assert header.split(" | ")[2:] == [
        "AVX2<br>Intel(R) Xeon(R) @ 2.20GHz, family 6, model 79<br>8 cores",
        "AVX512-BF16<br>AMD EPYC, family 25, model 17<br>2 cores |",
    ]
    assert lecture == "| `lecture_run` | s | 2.50 (300 → 120) | 2.50 (200 → 80) |"
    assert augmentation == "| `augmentation` | s |  | 12.00 (3 → 0.25) |"


def test_the_readme_shows_some_rows_in_plain_words(results):
    lines = machines.table(results, {"augmentation": "augmenting images"}).splitlines()
    assert lines[2:] == ["| augmenting images | s |  | 12.00 (3 → 0.25) |"]


def test_remarks_say_when_a_machine_was_measured_and_what_rows_note(results):
    measured = "measured on 2026-01-02 (`abc1234`) with keras 3.15.1"
    assert machines.remarks(results, "rows").splitlines() == [
        f"* AVX2, Intel(R) Xeon(R) @ 2.20GHz, family 6, model 79, 8 cores, 30 GiB; {measured}",
        "    * `lecture_run`: busy",
        f"* AVX512-BF16, AMD EPYC, family 25, model 17, 2 cores, 24 GiB; {measured}",
    ]


def test_the_table_of_peers_has_a_column_for_each_side(results):
    header, _, training, *_ = machines.peers_table(results).splitlines()
    assert header == "| row | unit | machine | ours | the lecture's script | keras.io's way | PyTorch |"
    machine = "AVX512-BF16<br>AMD EPYC, family 25, model 17<br>2 cores"
    assert training == f"| `training` | images/s | {machine} | 150 |  |  | 1,234 |"
    assert machines.peers_table(results[:1]) == "Nothing has been measured yet.\n"


def test_recording_a_row_leaves_the_others_of_this_machine_and_the_files_of_others(tmp_path):
    (tmp_path / "other-2.json").write_text("{}", encoding="utf-8")
    machines.record({"lecture_run": row(300, 120)}, {}, tmp_path)
    machines.record({"lecture_run": row(290, 100)}, {"training": {"ours": 1.0}}, tmp_path)
    machines.record({"augmentation": row(3, 1)}, {}, tmp_path)
    file = tmp_path / machines.file_name(machines.this_machine())
    assert {path.name for path in tmp_path.iterdir()} == {"other-2.json", file.name}
    recorded = json.loads(file.read_text(encoding="utf-8"))
    assert recorded["machine"] == machines.this_machine()
    assert {name: found["ours"] for name, found in recorded["rows"].items()} == {"lecture_run": 100, "augmentation": 1}
    assert recorded["peers"] == {"training": {"ours": 1.0}}


def test_a_row_says_with_which_commit_date_and_versions_it_was_measured():
    provenance = machines.provenance()
    assert provenance["commit"]
    assert len(provenance["date"].split("-")) == 3
    assert {"python", "keras", "numpy"} <= provenance["versions"].keys()


def test_committed_files_have_the_names_of_their_machines():
    for path in machines.RESULTS.glob("*.json"):
        found = json.loads(path.read_text(encoding="utf-8"))
        assert path.name == machines.file_name(found["machine"])
        for measured in (*found["rows"].values(), *found["peers"].values()):
            assert {"unit", *MEASURED} <= measured.keys()


def test_readme_and_docs_show_the_committed_results():
    for page, text in machines.pages(machines.read()).items():
        assert page.read_text(encoding="utf-8") == text, (
            f"{page.name} is stale: PYTHONPATH=src python benchmarks/machines.py"
        )
