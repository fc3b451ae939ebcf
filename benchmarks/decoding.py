"""Decoding and resizing original-size photos: `flow_from_directory`, ours, and libjpeg-turbo's own rate."""

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from material import ORIGINALS, SIZE, class_folders, lecture_parameters
from turns import ROUNDS, Result, compared, usual_and_ours

# Three times over: the end of a run, when not all cores have work, then weighs as little as it does otherwise.
OFTEN = 3


def decode_resize() -> Result:
    """Reads 400 photos into 150x150 pixels.

    Returns:
        Images a second on all cores; `note` compares with libjpeg-turbo's scaled decoding and one bilinear resize.
    """
    with tempfile.TemporaryDirectory() as name, usual_and_ours() as (usual_side, our_side):
        folder = Path(name)
        count = class_folders(ORIGINALS, folder)
        # Bilinear, since the default picks single pixels: less work for a worse picture.
        rounds = [
            (
                usual_side(_flow, folder, "bilinear"),
                our_side(_ours, folder),
                our_side(_bare, folder),
                usual_side(_flow, folder, "nearest"),
            )
            for _ in range(ROUNDS + 1)
        ][1:]
    usual, ours, bare, nearest = zip(*rounds, strict=True)
    share = statistics.median(bare_s / ours_s for ours_s, bare_s in zip(ours, bare, strict=True))
    rates = {side: count / statistics.median(seconds) for side, seconds in (("bare", bare), ("nearest", nearest))}
    note = (
        f"usual: flow_from_directory, bilinear ({rates['nearest']:.0f} by its default, nearest); ours is "
        f"{share:.2f} of libjpeg-turbo's own rate ({rates['bare']:.0f})"
    )
    return compared(usual, ours, "images/s, all cores", images=count, note=note)


def _flow(folder: Path, interpolation: str) -> float:
    """Seconds of Keras's way."""
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    # It says how many it has found.
    with contextlib.redirect_stdout(io.StringIO()):
        flow = ImageDataGenerator().flow_from_directory(
            folder, target_size=(SIZE, SIZE), batch_size=30, shuffle=False, interpolation=interpolation
        )

    def work() -> None:
        for index in range(len(flow)):
            flow[index]

    return _seconds(work)


def _ours(folder: Path) -> float:
    """Seconds of the project's way, for the photos once."""
    from dogs_vs_cats.compute.parallel import in_order
    from dogs_vs_cats.images.decoding import decode
    from dogs_vs_cats.images.sources import Entry, open_source
    from dogs_vs_cats.parameters.ingestion import IngestionParameters

    ingestion = IngestionParameters.model_validate({**lecture_parameters()["ingestion"], "source": str(folder)})
    source = open_source(ingestion, folder)
    entries = source.entries() * OFTEN

    def read(entry: Entry) -> None:
        decode(source.read(entry), image_size=SIZE, channels=3, max_pixels=ingestion.max_pixels)

    def work() -> None:
        for _ in in_order(read, entries, 32):
            pass

    return _seconds(work) / OFTEN


def _bare(folder: Path) -> float:
    """Seconds of reading, libjpeg-turbo and one interpolation without smoothing, for the photos once."""
    import cv2
    import simplejpeg

    from dogs_vs_cats.compute.parallel import cores
    from dogs_vs_cats.images.decoding.resizing import shrink_factor

    files = sorted(folder.rglob("*.jpg")) * OFTEN

    def read(file: Path) -> None:
        data = file.read_bytes()
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        factor = shrink_factor(height, width, SIZE, SIZE)
        pixels = simplejpeg.decode_jpeg(
            data, "RGB", fastdct=False, min_height=-(-height // factor), min_width=-(-width // factor)
        )
        cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)

    def work() -> None:
        with ThreadPoolExecutor(max_workers=cores()) as pool:
            list(pool.map(lambda part: list(map(read, part)), [files[i::8] for i in range(8)]))

    return _seconds(work) / OFTEN


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
