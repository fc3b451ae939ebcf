"""Each request gets the rows of its own images, however they are joined."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from dogs_vs_cats.app.joint_predictions import JointPredictions, in_powers_of_two


class Predictor:
    """Answers each image with its first pixel, and can be held."""

    def __init__(self):
        self.sizes = []
        self.begun = Event()
        self.go_on = Event()

    def __call__(self, images):
        self.sizes.append(len(images))
        self.begun.set()
        assert self.go_on.wait(60)
        if (images < 0).any():
            raise ValueError("negative")
        return images[:, 0, 0]


def images(first, count):
    return np.arange(first, first + count, dtype=np.float32).reshape(-1, 1, 1, 1) + np.zeros((1, 2, 2, 1), np.float32)


def test_requests_that_wait_are_one_batch_up_to_its_size_and_each_gets_its_rows():
    predictor = Predictor()
    predict = JointPredictions(predictor, batch_size=8)
    counts = [1, 3, 3, 3, 3, 3]
    firsts = [100 * number for number in range(len(counts))]
    with ThreadPoolExecutor(len(counts)) as pool:
        answers = [pool.submit(predict, images(firsts[0], counts[0]))]
        assert predictor.begun.wait(60)
        answers += [pool.submit(predict, images(*request)) for request in zip(firsts[1:], counts[1:], strict=True)]
        while predict._waiting.qsize() < len(counts) - 1:
            pass
        predictor.go_on.set()
        rows = [answer.result(60)[:, 0].tolist() for answer in answers]
    assert rows == [list(range(first, first + count)) for first, count in zip(firsts, counts, strict=True)]
    assert predictor.sizes == [1, 6, 6, 3]


def test_a_failure_reaches_who_waited_and_the_next_request_is_answered():
    predictor = Predictor()
    predictor.go_on.set()
    predict = JointPredictions(predictor, batch_size=8)
    with pytest.raises(ValueError, match="negative"):
        predict(images(-1, 1))
    assert predict(images(7, 1)).tolist() == [[7]]


def test_batches_of_all_sizes_are_compiled_as_few():
    predictor = Predictor()
    predictor.go_on.set()
    predict = in_powers_of_two(predictor)
    for count in range(1, 65):
        assert predict(images(5, count))[:, 0].tolist() == list(range(5, 5 + count))
    assert {*predictor.sizes} == {1, 2, 4, 8, 16, 32, 64}
