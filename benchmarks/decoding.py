"""Decoding and resizing original-size photos: `flow_from_directory`, ours, and libjpeg-turbo's own rate."""

import contextlib
import io
import statistics
import tempfile
import time
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from material import ORIGINALS, SIZE, lecture_parameters
from result import Result

ROUNDS = 7


def decode_resize() -> Result:
    """Reads 400 photos into 150x150 pixels.

    Returns:
        Images a second on all cores; `note` compares with libjpeg-turbo's scaled decoding and one bilinear resize.
    """
    import cv2
    import simplejpeg
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    from dogs_vs_cats.decoding import decode, shrink_factor
    from dogs_vs_cats.parallel import cores, in_order
    from dogs_vs_cats.parameters.ingestion import IngestionParameters
    from dogs_vs_cats.sources import Entry, open_source

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(ORIGINALS) as archive:
            archive.extractall(folder)
        files = sorted(folder.rglob("*.jpg"))
        for file in files:
            target = folder / "sorted" / file.name.partition(".")[0]
            target.mkdir(parents=True, exist_ok=True)
            file.rename(target / file.name)
        files = sorted((folder / "sorted").rglob("*.jpg"))
        with contextlib.redirect_stdout(io.StringIO()):
            # Bilinear, since the default picks single pixels: less work for a worse picture.
            flow, nearest_flow = (
                ImageDataGenerator().flow_from_directory(
                    folder / "sorted",
                    target_size=(SIZE, SIZE),
                    batch_size=30,
                    shuffle=False,
                    interpolation=interpolation,
                )
                for interpolation in ("bilinear", "nearest")
            )

        def usual() -> None:
            for index in range(len(flow)):
                flow[index]

        def nearest() -> None:
            for index in range(len(nearest_flow)):
                nearest_flow[index]

        # Three times over: the end of a run, when not all cores have work, then weighs as little as it does otherwise.
        often = files * 3
        ingestion = IngestionParameters.model_validate(
            {**lecture_parameters()["ingestion"], "source": str(folder / "sorted")}
        )
        source = open_source(ingestion, folder)
        entries = source.entries() * 3

        def read(entry: Entry) -> None:
            decode(source.read(entry), image_size=SIZE, channels=3, max_pixels=ingestion.max_pixels)

        def ours() -> None:
            for _ in in_order(read, entries, 32):
                pass

        def read_bare(file: Path) -> None:
            data = file.read_bytes()
            height, width, *_ = simplejpeg.decode_jpeg_header(data)
            factor = shrink_factor(height, width, SIZE)
            pixels = simplejpeg.decode_jpeg(
                data, "RGB", fastdct=False, min_height=-(-height // factor), min_width=-(-width // factor)
            )
            cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)

        def bare() -> None:
            with ThreadPoolExecutor(max_workers=cores()) as pool:
                list(pool.map(lambda part: [read_bare(file) for file in part], [often[i::8] for i in range(8)]))

        seconds: list[list[float]] = []
        for _ in range(ROUNDS + 1):
            seconds.append([])
            for work in (usual, ours, bare, nearest):
                begin = time.perf_counter()
                work()
                seconds[-1].append(time.perf_counter() - begin)
    usual_s, ours_s, bare_s, nearest_s = zip(*seconds[1:], strict=True)

    def rate(seconds: Sequence[float], count: int = len(files)) -> float:
        return count / statistics.median(seconds)

    share = statistics.median(b / o for o, b in zip(ours_s, bare_s, strict=True))
    return {
        "usual": rate(usual_s),
        "ours": rate(ours_s, len(often)),
        "ratio": statistics.median(u / o for u, o in zip(usual_s, ours_s, strict=True)) * len(often) / len(files),
        "unit": "images/s, all cores",
        "note": f"usual: flow_from_directory, bilinear ({rate(nearest_s):.0f} by its default, nearest); ours is "
        f"{share:.2f} of libjpeg-turbo's own rate ({rate(bare_s, len(often)):.0f})",
    }
