"""The commit and the dirty files of real repositories."""

import hashlib
import os
import subprocess
import sys

import pytest

from dogs_vs_cats.provenance.code import describe_code


@pytest.fixture
def repository(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    for name in ("code.py", "dvc.lock", "requirements.lock"):
        (tmp_path / name).write_text("1")
    git("add", ".")
    git("commit", "-m", "first")
    return tmp_path


def test_files_that_differ_from_the_commit_are_named_but_not_dvc_lock_nor_notes(repository):
    clean = describe_code(repository)
    assert len(clean["commit"]) == 40
    assert clean["dirty_files"] == []
    assert clean["requirements_lock"] == hashlib.md5(b"1").hexdigest()
    for name in ("dvc.lock", "code.py", "notes.txt", "src/new ü.py", "conf/mine/globals.yml"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("2")
    found = describe_code(repository)
    assert found["commit"] == clean["commit"]
    assert found["dirty_files"] == ["code.py", "conf/mine/globals.yml", "src/new ü.py"]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS takes no such names")
def test_a_name_that_is_not_utf_8_is_escaped(repository):
    (repository / "src").mkdir()
    (repository / os.fsdecode(b"src/caf\xe9.py")).touch()
    assert describe_code(repository)["dirty_files"] == [r"src/caf\xe9.py"]


def test_of_a_project_in_a_folder_of_a_repository_its_own_files_are_named(repository):
    project = repository / "project"
    for name in ("code.py", "dvc.lock"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("1")
    for arguments in (["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-m", "second"]):
        subprocess.run(["git", *arguments], cwd=repository, check=True, capture_output=True)
    for name in ("code.py", "src/outside.py", "project/code.py", "project/dvc.lock", "project/src/new.py"):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text("2")
    assert describe_code(project)["dirty_files"] == ["code.py", "src/new.py"]


def test_a_folder_without_git_has_no_commit(tmp_path):
    assert describe_code(tmp_path) == {"commit": "", "dirty_files": [], "requirements_lock": ""}
