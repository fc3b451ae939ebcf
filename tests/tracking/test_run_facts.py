"""The tags of a run."""

import subprocess

from dogs_vs_cats.provenance.machine import describe_machine
from dogs_vs_cats.storage.file_hash import md5
from dogs_vs_cats.tracking.run_facts import tags
from tests.conftest import PROJECT


def test_runs_can_be_searched_for_by_code_packages_and_machine():
    found, machine = tags(), describe_machine()
    assert found["requirements_lock"] == md5(PROJECT / "requirements.lock")
    assert (found["processor"], found["instruction_set"]) == (machine["processor"], machine["instruction_set"])
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True, text=True)
    in_git = head.returncode == 0
    assert found.get("git_commit") == (head.stdout.strip() if in_git else None)
    assert found.get("git_dirty") in (("true", "false") if in_git else (None,))
