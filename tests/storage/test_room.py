"""Whether there is room for what a run writes."""

import os
from pathlib import Path

import pytest

from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.storage.room import refuse_without_room


def test_the_room_that_is_needed_and_that_is_free_are_said(tmp_path: Path) -> None:
    (line,) = refuse_without_room({tmp_path / "a/b": 3 * 1024**2, tmp_path / "c": 1024**2, tmp_path / "d": 0})
    assert line.startswith(f"The caches will need about 4.0 MiB in {tmp_path}/a/b and {tmp_path}/c; ")
    assert line.endswith(" GiB is free") or line.endswith(" MiB is free")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_said_where_everything_is_there_already(tmp_path: Path) -> None:
    assert refuse_without_room({tmp_path: 0}) == []


def test_too_little_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ProjectError,
        match=r"need about 9313225\.7 GiB in .*a, but only .* is free there\. Free space \(kedro cache prune",
    ):
        refuse_without_room({tmp_path / "a": 10**16})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_can_not_be_written_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ProjectError, match=r"can't be written to\. Change its permissions \(chmod u\+w\)"):
            refuse_without_room({tmp_path / "a/b": 0})
    finally:
        tmp_path.chmod(0o700)
