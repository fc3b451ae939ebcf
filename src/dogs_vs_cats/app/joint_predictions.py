"""Predictions for several requests at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import accumulate
from queue import SimpleQueue
from threading import Thread

import numpy as np

Predict = Callable[[np.ndarray], np.ndarray]
Waiting = tuple[np.ndarray, Future[np.ndarray]]


def in_powers_of_two(predict: Predict) -> Predict:
    """Fills batches up to the next power of two, because XLA compiles each size anew, for seconds.

    Args:
        predict: Takes images, (n, height, width, channels), and returns a row for each.
    """

    def filled_up(images: np.ndarray) -> np.ndarray:
        missing = (1 << (len(images) - 1).bit_length()) - len(images)
        return predict(np.pad(images, [(0, missing), (0, 0), (0, 0), (0, 0)]))[: len(images)]

    return filled_up


class JointPredictions:
    """Predicts in one thread, with the images of all requests that wait as one batch.

    A request that comes alone is predicted at once. Those that come meanwhile are the next batch: networks predict a
    batch faster than its images one by one, and several predictions at once would only compete for the cores.
    """

    def __init__(self, predict: Predict, batch_size: int):
        """Starts the thread.

        Args:
            predict: Takes float32 images, (n, height, width, channels), and returns a row for each.
            batch_size: A request whose images would make a batch larger waits for the next one.
        """
        self._predict = predict
        self._batch_size = batch_size
        self._waiting: SimpleQueue[Waiting] = SimpleQueue()
        Thread(target=self._work, name="predictions", daemon=True).start()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Waits for the rows of some images, from any thread.

        Raises:
            Exception: The prediction of the batch failed.
        """
        future: Future[np.ndarray] = Future()
        self._waiting.put((images, future))
        return future.result()

    def _work(self) -> None:
        for batch in self._batches():
            self._answer([images for images, _ in batch], [future for _, future in batch])

    def _batches(self) -> Iterator[list[Waiting]]:
        batch = [self._waiting.get()]
        while True:
            following = None if self._waiting.empty() else self._waiting.get()
            if following and sum(len(images) for images, _ in [*batch, following]) <= self._batch_size:
                batch.append(following)
            else:
                yield batch
                batch = [following or self._waiting.get()]

    def _answer(self, requests: list[np.ndarray], futures: list[Future[np.ndarray]]) -> None:
        try:
            rows = self._predict(np.concatenate(requests, dtype=np.float32))
        except Exception as error:
            for future in futures:
                future.set_exception(error)
            return
        ends = list(accumulate(map(len, requests)))
        for future, part in zip(futures, np.split(rows, ends[:-1]), strict=True):
            future.set_result(part)
