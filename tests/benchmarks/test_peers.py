"""The sides of `make bench-peers`: each measures every row, in a locked environment."""

import ast
import re

import pytest

from benchmarks.machines import PEERS
from tests.conftest import PROJECT


def functions(path):
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("side", PEERS)
def test_each_side_measures_every_row(side):
    rows = {"training", "vgg16_extraction", "decode_resize", "lecture_run"}
    assert rows <= functions(PROJECT / f"benchmarks/peers/{side}.py")


def test_the_lock_names_a_hash_for_each_package_and_no_address():
    lock = (PROJECT / "requirements-peers.lock").read_text(encoding="utf-8")
    packages = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)[1:]
    assert {"torch", "torchvision", "keras"} <= {package.partition("==")[0] for package in packages}
    assert [package for package in packages if "--hash=sha256:" not in package] == []
    assert "://" not in lock


def test_the_sides_share_the_versions_of_the_project():
    def versions(lock):
        lines = (PROJECT / lock).read_text(encoding="utf-8").splitlines()
        return {
            line.rstrip(" \\") for line in lines if re.match(r"(keras|numpy|pillow|scipy|tensorflow(-cpu)?)==", line)
        }

    assert versions("requirements-peers.lock") == versions("requirements-dev.lock")
