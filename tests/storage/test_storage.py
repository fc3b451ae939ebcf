"""Writing aside and renaming, and the caches: with several writers at once, killed ones among them."""

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dogs_vs_cats.datasets import MemoryMapDataset
from dogs_vs_cats.errors import WriteError
from dogs_vs_cats.storage import arrays
from dogs_vs_cats.storage.arrays import averaged, read_rows, save_array
from dogs_vs_cats.storage.atomic import replace_atomically
from dogs_vs_cats.storage.content_store import ContentStore
from dogs_vs_cats.storage.feature_store import FeatureStore, count_rows
from tests.conftest import SOURCE


def test_a_failed_write_leaves_the_old_content_and_nothing_beside_it(tmp_path):
    path = tmp_path / "report.txt"
    path.write_text("old")

    def write_half() -> None:
        with replace_atomically(path) as partial:
            partial.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


WRITE_SLOWLY = """
import sys
from pathlib import Path
from dogs_vs_cats.storage.atomic import replace_atomically
with replace_atomically(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    print("writing", flush=True)
    sys.stdin.readline()
    partial.write_text("whole")
"""


def start_writer(path: Path) -> subprocess.Popen[str]:
    """A process that has begun to write a file, and ends it when it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_SLOWLY, str(path)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def test_only_what_a_dead_process_has_begun_is_removed(tmp_path):
    (tmp_path / "dead.txt").write_text("old")
    alive, dead = start_writer(tmp_path / "alive.txt"), start_writer(tmp_path / "dead.txt")
    dead.send_signal(signal.SIGKILL)
    dead.communicate()
    write_other(tmp_path)
    assert partials(tmp_path) == {"alive", "dead"}  # nothing is removed while another process writes
    alive.communicate("go on\n")
    assert alive.returncode == 0
    write_other(tmp_path)
    texts = {"alive.txt": "whole", "dead.txt": "old", "other.txt": "other"}
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == texts


def write_other(folder: Path) -> None:
    with replace_atomically(folder / "other.txt") as partial:
        partial.write_text("other")


def partials(folder: Path) -> set[str]:
    """The files that have been begun in a folder."""
    return {path.name.split(".")[1] for path in folder.glob(".*.partial")}


def test_a_folder_takes_the_place_of_another_as_a_whole(tmp_path):
    for text in ("first", "second"):
        with replace_atomically(tmp_path / "folder") as partial:
            (partial / "inner").mkdir(parents=True)
            (partial / "inner" / text).write_text(text)
    assert [path.name for path in (tmp_path / "folder/inner").iterdir()] == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def write_folder_often(path: Path, number: int) -> None:
    for _ in range(50):
        with replace_atomically(path) as partial:
            partial.mkdir()
            for name in "ab":
                (partial / name).write_text(str(number))


def test_two_processes_can_replace_one_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_folder_often, args=(tmp_path / "folder", number)) for number in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    texts = {path.read_text() for path in (tmp_path / "folder").iterdir()}
    assert texts in ({"1"}, {"2"})
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def copy_from(source: Path, target: Path) -> None:
    with replace_atomically(target) as partial:
        shutil.copyfile(source, partial)


def test_an_error_of_the_source_is_not_one_of_writing(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        copy_from(tmp_path / "missing.txt", tmp_path / "copy.txt")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        copy_from(tmp_path / "folder", tmp_path / "copy.txt")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), OSError("10 requested, 3 written")]
)
def test_an_error_of_writing_names_the_file_and_what_to_do(tmp_path, error):
    with (
        pytest.raises(WriteError, match=r"copy\.txt can't be written: .*Free space or change the permissions"),
        replace_atomically(tmp_path / "copy.txt"),
    ):
        raise error
    (tmp_path / "file").write_text("")
    (tmp_path / "source.txt").write_text("")
    with pytest.raises(WriteError, match=r"file/copy\.txt can't be written: "):
        copy_from(tmp_path / "source.txt", tmp_path / "file" / "copy.txt")


@pytest.mark.parametrize("array", [np.arange(6.0), np.ones((0, 3)), np.asfortranarray(np.eye(3)), np.array(7)])
def test_an_array_is_the_bytes_that_numpy_writes(tmp_path, array):
    save_array(tmp_path / "ours.npy", array)
    np.save(tmp_path / "numpy.npy", np.asarray(array, order="C"))
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


def test_a_full_disk_has_a_reason_and_ends_no_process(tmp_path):
    script = (
        "import resource, sys; from pathlib import Path; import numpy as np\n"
        "from dogs_vs_cats.datasets import MemoryMapDataset\n"
        "from dogs_vs_cats.storage.feature_store import FeatureStore, count_rows\n"
        "store = FeatureStore(Path('store'), 'base')\n"
        "keys = [bytes([number]) * 16 for number in range(8)]\n"
        "for key in keys: store.add([key], np.ones((1, 1000), np.float32))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "dataset = MemoryMapDataset(filepath='x.npy')\n"
        "for write in (lambda: store.array(keys, 1000), lambda: dataset.save(np.ones(9999))):\n"
        "    try: write()\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(("WriteError", "DatasetError")) for line in lines)
    assert all("can't be written: File too large" in line for line in lines)
    assert list(tmp_path.rglob("*.partial")) == []


# --- content store --------------------------------------------------------------------------------------------------


def test_an_entry_is_there_as_a_whole_or_not_at_all(tmp_path):
    store = ContentStore(tmp_path / "store")
    assert store.find("key") is None
    with store.create("key") as folder:
        (folder / "file").write_text("first")
        assert store.find("key") is None
    first = store.find("key")

    def fail_midway() -> None:
        with store.create("other") as folder:
            (folder / "file").write_text("half")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail_midway()
    assert store.find("other") is None
    assert list((tmp_path / "store").iterdir()) == [first]


def test_an_entry_s_name_never_gets_another_content(tmp_path):
    # Somebody who has a memory map of an entry links to the file of that name.
    store = ContentStore(tmp_path / "store")
    images = MemoryMapDataset(filepath=str(tmp_path / "images.npy"))
    with store.create("key") as folder:
        np.save(folder / "images.npy", np.zeros((2, 3)))
    ours = store.find("key")
    ours_mapped = np.load(ours / "images.npy", mmap_mode="r")
    with store.create("key") as folder:  # by another run, for instance because a file could be read now
        np.save(folder / "images.npy", np.ones((2, 3)))
    images.save(ours_mapped)
    assert images.load().tolist() == np.zeros((2, 3)).tolist()
    assert store.remove(ours)
    images.save(ours_mapped)
    assert images.load().tolist() == np.zeros((2, 3)).tolist()
    assert np.load(store.find("key") / "images.npy").tolist() == np.ones((2, 3)).tolist()


def test_nothing_is_removed_while_the_store_is_used(tmp_path):
    store = ContentStore(tmp_path / "store")
    with store.create("key") as folder:
        (folder / "file").touch()
    with store.in_use():
        assert not ContentStore(tmp_path / "store").remove(*store.entries())
        assert store.find("key") is not None
    assert store.remove(*store.entries())
    assert list((tmp_path / "store").iterdir()) == []


# --- feature store --------------------------------------------------------------------------------------------------


def keys_of(*numbers: int) -> list[bytes]:
    return [number.to_bytes(16, "little") for number in numbers]


def rows_of(*numbers: int) -> np.ndarray:
    return np.repeat(np.array(numbers, dtype=np.float32)[:, None], 3, axis=1)


def test_only_the_first_of_equal_images_is_missing(tmp_path):
    store = FeatureStore(tmp_path, "base")
    assert store.missing(keys_of(1, 2, 1)) == [0, 1]
    store.add(keys_of(1), rows_of(1))
    assert store.missing(keys_of(1, 2, 1)) == [1]
    assert FeatureStore(tmp_path, "other").missing(keys_of(1)) == [0]


def test_two_stores_on_one_folder_keep_their_rows_apart(tmp_path):
    first, second = FeatureStore(tmp_path, "base"), FeatureStore(tmp_path, "base")
    first.add(keys_of(0, 1), rows_of(0, 1))
    second.add(keys_of(10, 11), rows_of(10, 11))
    first.add(keys_of(2, 3), rows_of(2, 3))
    second.add(keys_of(12), rows_of(12))
    assert first.array(keys_of(0, 1, 2, 3), 3).tolist() == rows_of(0, 1, 2, 3).tolist()
    assert second.array(keys_of(12, 10, 10, 11), 3).tolist() == rows_of(12, 10, 10, 11).tolist()


def extract_often(folder: Path, process: int) -> None:
    """Extracts, looks up, joins and reads arrays, in part the same images as other processes."""
    random = np.random.default_rng(process)
    for _ in range(30):
        numbers = [int(number) for number in random.integers(0, 200, 40)]
        store = FeatureStore(folder, "base")
        with store.in_use():
            places = store.missing(keys_of(*numbers))
            for start in range(0, len(places), 7):
                part = [numbers[place] for place in places[start : start + 7]]
                store.add(keys_of(*part), rows_of(*part))
            array = store.array(keys_of(*numbers), 3)
        features = MemoryMapDataset(filepath=str(folder.parent / f"{process}/features.npy"))
        features.save(array)
        assert features.load().tolist() == rows_of(*numbers).tolist()


def test_processes_that_extract_at_once_each_get_their_own_rows(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=extract_often, args=(tmp_path / "store", number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]


def test_a_finished_array_takes_the_place_of_its_parts(tmp_path):
    store = FeatureStore(tmp_path, "base")
    with store.in_use():
        for number in range(5):
            store.add(keys_of(number), rows_of(number))
        array = store.array(keys_of(*range(5)), 3)
    assert [path.parent for path in tmp_path.rglob("rows.npy")] == [Path(array.filename).parent]
    again = FeatureStore(tmp_path, "base")
    assert again.missing(keys_of(*range(6))) == [5]
    assert again.array(keys_of(*range(5)), 3).filename == array.filename
    assert again.array(keys_of(4, 0), 3).tolist() == rows_of(4, 0).tolist()


def test_damaged_features_are_extracted_again(tmp_path, caplog):
    store = FeatureStore(tmp_path, "base")
    store.add(keys_of(1, 2), rows_of(1, 2))
    store.add(keys_of(3), rows_of(3))
    for name in ("keys.npy", "rows.npy"):
        file = sorted(tmp_path.rglob(name))[0]
        os.truncate(file, 0 if name == "keys.npy" else file.stat().st_size - 3)
        assert len(FeatureStore(tmp_path, "base").missing(keys_of(1, 2, 3))) in (1, 2)
    assert "are extracted again" in caplog.text


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the system doesn't say what is mapped")
def test_rows_that_were_read_of_a_large_memory_map_are_no_memory_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "LARGE", 1024**2)

    def mapped_mib() -> float:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.partition("RssFile:")[2].split()[0]) / 1024

    save_array(tmp_path / "rows.npy", np.arange(16 * 1024**2, dtype=np.uint8).reshape(1024, -1))
    array = np.load(tmp_path / "rows.npy", mmap_mode="r")
    before = mapped_mib()
    for start in range(0, 1024, 64):
        rows = np.arange(start, start + 64)
        np.testing.assert_array_equal(read_rows(array, rows)[:, 0], array[rows, 0])
    assert mapped_mib() < before + 4
    assert array.sum() > 0
    assert mapped_mib() > before + 12


def test_the_rows_of_one_width_are_counted(tmp_path: Path) -> None:
    assert count_rows(tmp_path / "missing", 3) == 0
    for name, width, rows in (("0a", 3, 2), ("0b", 3, 4), ("0c", 5, 8)):
        keys = [bytes([row] * 16) for row in range(rows)]
        FeatureStore(tmp_path, name).add(keys, np.zeros((rows, width), np.float32))
    assert count_rows(tmp_path, 3) == 6


@pytest.mark.parametrize("positions", [1, 4])
def test_features_are_averaged_over_positions_in_parts_of_the_rows(positions: int) -> None:
    maps = np.random.default_rng(0).random((1500, positions, 3)).astype(np.float32)

    np.testing.assert_array_equal(averaged(maps.reshape(len(maps), -1), 3), maps.mean(axis=1))
