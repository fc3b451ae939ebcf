"""Whether there is room on the disk for what a run is going to write."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.project import ROOT
from dogs_vs_cats.storage.caches import size


def refuse_without_room(needs: Mapping[Path, int]) -> list[str]:
    """Refuses a run that the disk has no room for.

    Args:
        needs: Bytes that are going to be written into each folder of the caches, which needn't exist yet. Folders of
            results need next to nothing, 0.

    Returns:
        For each volume, how much room the caches will need there, and how much there is, in a sentence.

    Raises:
        ProjectError: A volume has too little room, or a folder can't be written to.
    """
    by_volume: dict[int, dict[Path, int]] = {}
    for folder, count in needs.items():
        place = _existing(folder)
        if not os.access(place, os.W_OK):
            raise ProjectError(
                f"{_shown(place)} can't be written to. Change its permissions (chmod u+w), and run again."
            )
        if count:
            by_volume.setdefault(place.stat().st_dev, {})[folder] = count
    sentences = []
    for folders in by_volume.values():
        free = shutil.disk_usage(_existing(next(iter(folders)))).free
        needed, places = sum(folders.values()), " and ".join(map(_shown, folders))
        if needed > free:
            raise ProjectError(
                f"The caches of this run need about {size(needed)} in {places}, but only {size(free)} is free there. "
                "Free space (kedro cache prune removes cached entries), or lower ingestion.image_size."
            )
        sentences.append(f"The caches will need about {size(needed)} in {places}; {size(free)} is free")
    return sentences


def _shown(folder: Path) -> str:
    return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)


def _existing(folder: Path) -> Path:
    """A folder, or the nearest one around it that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())
