"""A `kedro run` that also says how much of its time went into decoding, fitting, and extracting or predicting.

Started by `whole_runs.py` in a copy of the project, with the arguments of `kedro`; the last argument names the file for
the figures.
"""

import functools
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

seconds: defaultdict[str, float] = defaultdict(float)


def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the time spent in a function to `seconds`."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        begin = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[name] += time.perf_counter() - begin

    return wrapper


def timed_iterator(name: str, function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Adds the time that an iterator takes for its items to `seconds`."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Iterator[Any]:
        items = function(*args, **kwargs)
        while True:
            begin = time.perf_counter()
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                seconds[name] += time.perf_counter() - begin
            yield item

    return wrapper


def main() -> None:
    """Runs Kedro's command line with timers around the work."""
    *arguments, figures = sys.argv[1:]
    sys.path.insert(0, str(Path.cwd() / "src"))
    from dogs_vs_cats.images import reading

    reading.write_decoded = timed("decode", reading.write_decoded)

    # Keras starts, with its backend, only when a run needs it: that is part of what is not the work itself.
    from dogs_vs_cats.compute import start as compute

    start = compute.start_keras

    def start_keras() -> None:
        start()
        import keras

        from dogs_vs_cats.inference import prediction

        keras.Model.fit = timed("fit", keras.Model.fit)
        prediction.predict_batches = timed_iterator("extract and predict", prediction.predict_batches)

    compute.start_keras = start_keras
    from kedro.framework.cli.cli import main as kedro

    sys.argv = ["kedro", *arguments]
    try:
        kedro()
    finally:
        Path(figures).write_text(json.dumps(seconds), encoding="utf-8")


if __name__ == "__main__":
    main()
