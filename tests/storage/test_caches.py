"""The caches as a user sees them: listed, pruned, and held to a limit."""

import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from filelock import FileLock

from dogs_vs_cats.datasets import MemoryMapDataset
from dogs_vs_cats.storage import commands
from dogs_vs_cats.storage.caches import STORES, cache_entries, note_use, remove, remove_beyond
from dogs_vs_cats.storage.content_store import ContentStore
from tests.conftest import copy_project, kedro, kedro_in_turn

MIB = 1024**2


def cache_images(root: Path, key: str, days_ago: float, mib: int = 1, experiment: str | None = None) -> Path:
    """Makes an entry of decoded images, and an experiment's result from it."""
    store = ContentStore(root / STORES["decoded images"])
    with store.create(key) as folder:
        np.save(folder / "images.npy", np.zeros((mib, 1024, 1024, 1), dtype=np.uint8))
        (folder / "table.json").write_text("{}")
    entry = store.find(key)
    assert entry is not None
    if experiment is not None:
        images = np.load(entry / "images.npy", mmap_mode="r")
        MemoryMapDataset(filepath=str(root / f"data/02_intermediate/{experiment}/images.npy")).save(images)
        note_use(root, Path(images.filename), experiment)
    when = time.time() - 86_400 * days_ago
    os.utime(entry, (when, when))
    return entry


def test_an_entry_belongs_to_the_experiments_made_from_it(tmp_path):
    cache_images(tmp_path, "old", 3, experiment="changed")
    cache_images(tmp_path, "new", 2, experiment="changed")
    entry = cache_images(tmp_path, "shared", 1, experiment="first")
    note_use(tmp_path, entry / "images.npy", "gone")
    note_use(tmp_path, tmp_path / "elsewhere/images.npy", "first")
    (tmp_path / "data/02_intermediate/second").mkdir()
    note_use(tmp_path, entry / "images.npy", "second")
    found = {entry.path.name.partition(".")[0]: entry for entry in cache_entries(tmp_path)}
    assert list(found) == ["old", "new", "shared"]
    assert {name: entry.users for name, entry in found.items()} == {
        "old": [],
        "new": ["changed"],
        "shared": ["first", "second"],
    }
    assert found["new"].shape == (1, 1024, 1024, 1)
    assert found["new"].size > MIB
    # Their images are results' too.
    assert found["old"].frees > MIB
    assert found["new"].frees < 100


def test_entries_can_be_listed_while_a_run_makes_and_removes_some(tmp_path):
    store, listed = ContentStore(tmp_path / STORES["features"]), threading.Event()

    def make_and_remove() -> None:
        while not listed.is_set():
            with store.create("key") as folder:
                (folder / "file").touch()
            store.remove(*store.entries())

    with ThreadPoolExecutor(1) as other_run:
        other_run.submit(make_and_remove)
        try:
            for _ in range(1000):
                cache_entries(tmp_path)
        finally:
            listed.set()


def test_what_a_run_uses_is_not_removed(tmp_path):
    cache_images(tmp_path, "idle", 5)
    ours = cache_images(tmp_path, "ours", 4, experiment="ours")
    with FileLock(tmp_path / "data/.ours.lock"):
        latest = cache_images(tmp_path, "latest", -1)  # by a run that hasn't a result yet
        assert [entry.path.name[:4] for entry in remove(tmp_path, cache_entries(tmp_path))] == ["idle"]
        assert {entry.path for entry in cache_entries(tmp_path)} == {ours, latest}
    assert len(remove(tmp_path, cache_entries(tmp_path))) == 2
    assert list((tmp_path / STORES["decoded images"]).glob("[!.]*")) == []
    assert np.load(tmp_path / "data/02_intermediate/ours/images.npy").shape == (1, 1024, 1024, 1)


def test_the_least_recently_used_go_until_the_limit_is_kept(tmp_path):
    for day in (1, 4, 2, 3):
        cache_images(tmp_path, f"day{day}", day, mib=day)
    linked = cache_images(tmp_path, "result", 9, mib=20, experiment="ours")
    removed = remove_beyond(tmp_path, 3.5 * MIB)
    assert [entry.path.name[:4] for entry in removed] == ["day4", "day3"]
    assert linked.is_dir()  # removing it would make no room
    assert remove_beyond(tmp_path, 3.5 * MIB) == []
    assert len(cache_entries(tmp_path)) == 3


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "ROOT", tmp_path)
    for name, text in {"base": "experiment: sample", "photos": "experiment: photos", "same": "{}"}.items():
        (tmp_path / "conf" / name).mkdir(parents=True)
        (tmp_path / "conf" / name / "globals.yml").write_text(text)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(commands.cache_commands, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.output

    return run


def test_caches_are_pruned_by_environment_and_by_age(tmp_path, cache):
    cache_images(tmp_path, "a", 1, experiment="sample")
    cache_images(tmp_path, "b", 2, experiment="photos")
    cache_images(tmp_path, "c", 40)
    listing = [re.split(r"\s{2,}", line) for line in cache("list").splitlines()]
    assert [row[4] for row in listing[:-1]] == ["used by", "-", "photos", "sample"]
    assert listing[1][:4] == ["decoded images", "1 × 1024 × 1024 × 1", "1.0 MiB", "1.0 MiB"]
    assert listing[-1] == [
        "3 entries, 3.0 MiB, of which 1.0 MiB are the caches' alone; results link to the rest and keep it."
    ]
    assert cache("prune", "--env=typo") == (
        "Error: --env=typo: there is no such environment; there are base, photos, same.\n"
    )
    assert cache("prune", "--env=photos", "--params=experiment=slower") == "Removed: 0 entries, 0.0 MiB.\n"
    assert cache("prune", "--env=same").startswith("Removed: 1 entry, 1.0 MiB")
    assert [entry.users for entry in cache_entries(tmp_path)] == [[], ["photos"]]
    assert cache("prune", "--older-than=30") == "Removed: 1 entry, 1.0 MiB.\n"
    cache_images(tmp_path, "d", 3, experiment="slower")
    assert cache("prune", "--params=experiment=slower").startswith("Removed: 1 entry, 1.0 MiB")
    with FileLock(tmp_path / "data/.photos.lock"):
        assert cache("prune").endswith("Not removed, because a run uses them now: 1\n")
    assert cache("prune").startswith("Removed: 1 entry")
    assert cache("list").endswith("0 entries, 0.0 MiB.\n")


@pytest.mark.medium
def test_a_run_keeps_to_the_limit_and_keeps_what_it_uses(tmp_path):
    project = copy_project(tmp_path / "project")
    ingest = ("run", "--env=test", "--pipelines=data_ingestion")
    smaller = "--params=ingestion.image_size=24,storage.cache_limit_gib=0.000001"
    _, limited = kedro_in_turn(project, ingest, [*ingest, smaller])
    output = " ".join((limited.stdout + limited.stderr).split())
    assert "because storage.cache_limit_gib is 1e-06: 1 entry, 0." in output
    (entry,) = cache_entries(project)
    assert (entry.shape, entry.users) == ((80, 24, 24, 3), ["test"])
    assert "Removed: 1 entry" in kedro(project, "cache", "prune", "--env=test").stdout
    assert np.load(project / "data/02_intermediate/test/images.npy").any()
