"""Peak memory of ingesting 25,000 photos against 5,000."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from material import crops, project_copy
from result import Result

FEW, MANY = 5_000, 25_000


def ingestion_memory() -> Result:
    """Ingests archives of distinct crops of the photos, each in a process of its own.

    Returns:
        `usual` is the peak of 5,000 photos, `ours` that of 25,000, in MB; `ratio` says how much higher it is.
    """
    peaks = []
    for count in (FEW, MANY):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            crops(folder / "photos.zip", count)
            project = project_copy(folder / "project")
            sizes = {"train_size": count * 3 // 5, "validation_size": count // 5, "test_size": count // 5}
            parameters = ",".join(f"ingestion.{key}={value}" for key, value in sizes.items())
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "kedro", "run", "--env=lecture", "--pipelines=data_ingestion"),
                    f"--params=ingestion.source={folder / 'photos.zip'},{parameters}",
                ],
                cwd=project,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, "DOGS_VS_CATS_TRACKING": "off"},
            )
            assert process.stderr is not None
            messages = process.stderr.read().decode()
            _, status, used = os.wait4(process.pid, 0)
            if status:
                raise RuntimeError(f"ingesting {count} photos failed:\n{messages}")
            # In KiB, on Linux.
            peaks.append(used.ru_maxrss / 1024)
    return {"usual": peaks[0], "ours": peaks[1], "ratio": peaks[1] / peaks[0], "unit": "MB, peak"}
