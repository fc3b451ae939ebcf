"""The parameters that DVC looks for in an environment.

DVC has no notion of one file overriding another: a stage depends on parameters in base's files and on the same ones in
the environment's `parameters.yml`, and one that isn't there is an error. So an environment states all of them; a group
that it leaves as it is, it states as `{}`.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import reduce
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from dogs_vs_cats.dvc_sync import dvc_file
from dogs_vs_cats.dvc_sync.conf_files import environment_folders, is_reproducible, merged, read_parameters
from dogs_vs_cats.dvc_sync.stages import ITEM
from dogs_vs_cats.parameters.dvc_variables import NO_PARAMETERS, OWN_PARAMETERS, variables
from dogs_vs_cats.parameters.files import read_yaml
from dogs_vs_cats.project import ROOT

NULL = "tag:yaml.org,2002:null"


def complete(root: Path = ROOT) -> list[Path]:
    """Writes what environments lack into their `globals.yml` and `parameters.yml`.

    Returns:
        The files that are new or changed.
    """
    changed = _incomplete(root)
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    return list(changed)


def problems(root: Path = ROOT) -> list[str]:
    """Checks all environments.

    Returns:
        A line for each thing that DVC would stumble over or fail to notice; empty if there is none.
    """
    found = [
        f"{path.relative_to(root)} lacks what DVC looks for; `kedro dvc sync` adds it" for path in _incomplete(root)
    ]
    for folder in environment_folders(root):
        where = f"conf/{folder.name}"
        if "experiment" not in read_yaml(folder / "globals.yml"):
            found.append(f"{where}/globals.yml doesn't state experiment, the folder that results go into")
        if folder.name == "base" or not is_reproducible(folder):
            continue
        if others := sorted(path.name for kind in ("parameters_*", "catalog*") for path in folder.glob(f"{kind}.yml")):
            found.append(
                f"{where} has {', '.join(others)}, and DVC follows its {OWN_PARAMETERS} and the catalog of conf/base "
                "alone: move their content there"
            )
    return found


def _incomplete(root: Path) -> dict[Path, str]:
    """The files of environments that have to be written, and their text."""
    base = merged(read_parameters(root / "conf/base"))
    stages = list(dvc_file.content(root)["stages"].values())
    texts: dict[Path, str | None] = {}
    for folder in environment_folders(root):
        in_base = folder.name == "base"
        own = base if in_base else read_yaml(folder / OWN_PARAMETERS)
        ingestion = base["ingestion"] | own.get("ingestion", {})
        values = {f"dvc.{name}": value for name, value in variables(folder.name, ingestion).items()}
        texts[folder / "globals.yml"] = _completed(folder / "globals.yml", values, replace=True)
        # With other approaches than base's, the first two stages start, and say why the environment can't be run.
        followed = _followed(stages if is_reproducible(folder) else stages[:2], {} if in_base else base)
        file = folder / (NO_PARAMETERS if in_base else OWN_PARAMETERS)
        texts[file] = _completed(file, followed, replace=False)
    return {path: text for path, text in texts.items() if text is not None}


def _followed(stages: Iterable[Mapping[str, Any]], base: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that DVC looks for in an environment's own file, dotted, with values that change nothing."""
    followed: dict[str, Any] = {}
    for stage in stages:
        for parameter in stage["params"][-1][dvc_file.OWN_PARAMETERS]:
            for name in stage["matrix"]["approach"] if parameter == ITEM else [parameter]:
                value = reduce(lambda block, part: block.get(part, {}), name.split("."), base)
                followed[name] = {} if isinstance(value, dict) else value
    return followed


def _completed(path: Path, values: Mapping[str, Any], *, replace: bool) -> str | None:
    """The text of a YAML file with some values, its comments included; None where it has them.

    Args:
        path: The file.
        values: Values by their names, `name` or `group.name`.
        replace: Whether they replace others that the file has.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar(NULL, "null"))
    content = (yaml.load(path) if path.is_file() else None) or CommentedMap()
    before = deepcopy(content)
    for dotted, value in values.items():
        group, _, name = dotted.rpartition(".")
        block = content.setdefault(group, {}) if group else content
        if isinstance(block, dict):
            block[name] = value if replace else block.get(name, value)
    if content == before:
        return None
    content.fa.set_block_style()
    stream = StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()
