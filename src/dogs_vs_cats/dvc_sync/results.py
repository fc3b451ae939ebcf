"""The results that `kedro dvc verify` compares: those of a commit or an experiment, and those in the working tree."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from ruamel.yaml import YAMLError

from dogs_vs_cats.dvc_sync import lock_record
from dogs_vs_cats.dvc_sync.locked_stages import LOCK, NO_STAGE, Stages, of_working_tree, parse
from dogs_vs_cats.errors import ReproductionError
from dogs_vs_cats.parameters.files import read_yaml
from dogs_vs_cats.provenance import manifest_file
from dogs_vs_cats.provenance.code import git
from dogs_vs_cats.provenance.manifest import Facts

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem


@dataclass(frozen=True)
class Results:
    """The results of all stages.

    Attributes:
        root: The project's root.
        commit: Full hash of the commit; empty for the working tree.
        environment: The environment in which the stages ran.
        stages: The stages.
        runs: The machine and the library versions of each run that made results, as in `provenance.json`. A run
            without `results` made all.
        metrics: The content of files of metrics that git has.
    """

    root: Path
    commit: str
    environment: str
    stages: Stages
    runs: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Any]

    def run_of(self, stage: str) -> Mapping[str, Any] | None:
        """The run that made the outputs of a stage; None where it isn't known, or there is no such stage."""
        hashes = set(self.stages.get(stage, NO_STAGE).outputs.values())
        return next((run for run in self.runs if "results" not in run or hashes & {*run["results"].values()}), None)

    def fetch(self, path: str, folder: Path) -> Path | None:
        """Gets an output.

        Args:
            path: Its path in the project.
            folder: An empty folder, for a file that isn't in the working tree.

        Returns:
            The file; None where neither DVC's cache nor a remote has it.
        """
        from dvc.exceptions import DvcException

        if not self.commit:
            return self.root / path
        target = folder / Path(path).name
        if path in self.metrics:
            target.write_text(json.dumps(self.metrics[path]), encoding="utf-8")
            return target
        try:
            self._tracked.get_file(path, str(target))
        except (OSError, DvcException):
            return None
        return target

    @cached_property
    def _tracked(self) -> "DVCFileSystem":
        from dvc.api import DVCFileSystem

        return DVCFileSystem(str(self.root), rev=self.commit)


def at_commit(root: Path, revision: str, runs: Sequence[Facts] = ()) -> Results:
    """The results of a commit, from its `dvc.lock`.

    Args:
        root: The project's root.
        revision: A commit, branch, tag or experiment.
        runs: The runs that made them; by default, `dvc.lock.json` says.

    Raises:
        ReproductionError: The project isn't under DVC, there is no such revision, or its `dvc.lock` or `params.yaml` is
            missing or can't be read.
    """
    commit = _commit(root, revision)
    text = git("show", f"{commit}:{LOCK}", root=root)
    if not text:
        raise ReproductionError(
            f"{revision} has no {LOCK}, so there is nothing to compare with. `kedro dvc lock` writes it; commit it."
        )
    try:
        environment = yaml.safe_load(git("show", f"{commit}:params.yaml", root=root))["env"]
    except (yaml.YAMLError, KeyError, TypeError):
        raise ReproductionError(
            f"{revision} has no params.yaml with a line `env: NAME`, so the environment of its results isn't known. "
            "Commit one, or give another commit."
        ) from None
    try:
        stages = parse(text, environment)
    except (YAMLError, KeyError, TypeError, AttributeError):
        raise ReproductionError(
            f"{LOCK} of {revision} has no stages, or holds the marks of a merge conflict. `kedro dvc lock` writes it; "
            "commit it."
        ) from None
    record = lock_record.read(root, commit)
    return Results(
        root,
        commit,
        environment,
        stages,
        runs or ([record] if record else []),
        record["metrics"] if record else {},
    )


def _commit(root: Path, revision: str) -> str:
    """The full hash of a revision that git can read."""
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import SCMError, resolve_rev

    try:
        with Repo(str(root)) as repo:
            commit: str = resolve_rev(repo.scm, revision)
    except NotDvcRepoError:
        raise ReproductionError(
            f"{root} isn't under DVC: it has no folder .dvc. Clone the repository, or run `git init` and `dvc init`."
        ) from None
    except SCMError:
        raise ReproductionError(
            f"{revision} is no commit, branch, tag or experiment. `git log --oneline` and `dvc exp list` show them."
        ) from None
    if not git("cat-file", "-t", commit, root=root):
        raise ReproductionError("git can't read the repository. Install git; if it is there, `git log` says more.")
    return commit


def in_working_tree(root: Path) -> Results:
    """The results that lie in the working tree, whoever made them.

    Raises:
        ReproductionError: `params.yaml` names no environment, its `globals.yml` no experiment, or DVC can't read the
            stages.
    """
    try:
        environment = read_yaml(root / "params.yaml")["env"]
        experiment = read_yaml(root / "conf" / environment / "globals.yml")["experiment"]
    except KeyError as error:
        file = "params.yaml" if error.args == ("env",) else f"conf/{environment}/globals.yml"
        raise ReproductionError(f"{file} has no line `{error.args[0]}: NAME`. Add it.") from None
    manifest = root / "data/08_reporting" / experiment / "provenance.json"
    runs = manifest_file.read(manifest).get("runs", [])
    return Results(root, "", environment, of_working_tree(root, environment), runs, {})
