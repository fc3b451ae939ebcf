"""The project as a git repository that DVC follows, and DVC run in it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT


class Project:
    """A git repository with the project in it, and DVC's own state beside it."""

    def __init__(self, root: Path, state: Path, **variables: str):
        self.root = root
        # The environment's commands are found as if it were active: a copy has no .venv of its own.
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "200",
            "DO_NOT_TRACK": "1",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(state),
            "DVC_GLOBAL_CONFIG_DIR": str(state),
            "DVC_SYSTEM_CONFIG_DIR": str(state),
            "DOGS_VS_CATS_TRACKING": "off",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "Test",
            "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "Test",
            "GIT_COMMITTER_EMAIL": "test@example.org",
            **variables,
        }
        self.environment.pop("DVC_STAGE", None)

    def run(self, *command: str, check: bool = True) -> str:
        result = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            stdin=subprocess.DEVNULL,
        )
        output = result.stdout + result.stderr
        if check and result.returncode:
            pytest.fail(f"{' '.join(command)} exited with {result.returncode}:\n{output}")
        if not check:
            assert result.returncode, output
        return output

    def dvc(self, *arguments: str, check: bool = True) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments, check=check)

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "state")

    def clone(self, root: Path, state: Path) -> "Project":
        """Clones the repository, with an empty cache."""
        self.git("clone", "--quiet", str(self.root), str(root))
        return Project(root, state)

    def use_cache_of(self, other: "Project") -> None:
        self.dvc("cache", "dir", "--local", str(other.root / ".dvc/cache"))

    def changed(self) -> set[str]:
        """Names of the stages that something was changed for."""
        # Of an imported file DVC also says that it doesn't ask whether there is a newer one.
        status = json.loads(next(line for line in self.dvc("status", "--json").splitlines() if line.startswith("{")))
        return {name.rpartition(":")[2].rpartition("@")[2] for name in status}

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def put_under_dvc(root: Path, state: Path, **variables: str) -> Project:
    """Makes a copy of the project a git repository with DVC in it, in environment `test` and with one commit."""
    for name in (".dvc/config", ".dvc/.gitignore", ".dvc/plots", ".dvcignore", "dvc.yaml", "params.yaml"):
        (root / name).parent.mkdir(exist_ok=True)
        (shutil.copytree if (PROJECT / name).is_dir() else shutil.copy)(PROJECT / name, root / name)
    for path in PROJECT.glob("data/*/.gitkeep"):
        (root / path.relative_to(PROJECT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path.relative_to(PROJECT))
    project = Project(root, state, **variables)
    project.edit("params.yaml", "env: base", "env: test")
    project.git("init", "--quiet", "--initial-branch=main", ".")
    project.commit()
    return project
