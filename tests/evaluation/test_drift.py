"""Drift: photos like the test photos raise few alarms, and others are found by what differs."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dogs_vs_cats.datasets import ArraysDataset
from dogs_vs_cats.evaluation.drift import LEAST, LEAST_OF_CLASS, Sample, compare

CLASSES = ["cat", "dog"]


def sample(count, seed=0, flagged=0.01, blur=0.0, dogs=0.5):
    """Answers of a good model, whose confidence suffers from blur."""
    random = np.random.default_rng(seed)
    dog = 1 / (1 + np.exp(-random.normal(4, 2, count) * (1 - blur)))
    dog = np.where(random.random(count) < dogs, dog, 1 - dog)
    return Sample.of(np.column_stack([1 - dog, dog]), random.random(count) < flagged)


TEST = sample(600, seed=10_000)


@pytest.mark.parametrize("count", [LEAST, 240])
def test_photos_like_the_test_photos_are_rarely_called_others(count):
    alarms = [compare(sample(count, seed), TEST, CLASSES)["drift"] for seed in range(200)]
    assert np.mean(alarms) <= 0.07


@pytest.mark.parametrize(
    ("change", "found"), [({"flagged": 0.3}, "out_of_distribution"), ({"blur": 0.6}, "confidence")]
)
def test_photos_of_other_subjects_or_blurred_ones_are_found_by_what_differs(change, found):
    drift = compare(sample(240, **change), TEST, CLASSES)
    assert drift["drift"] is True
    assert {name for name, p in drift["p_values"].items() if p < 0.05} == {found}


def test_neither_another_mix_nor_easier_photos_are_drift():
    mix = compare(sample(240, dogs=0.9), TEST, CLASSES)
    assert mix["drift"] is False
    assert mix["p_values"]["classes"] < 0.001
    easier = compare(sample(240, flagged=0, blur=-3), sample(600, flagged=0.1), CLASSES)
    assert easier["drift"] is False


def cats_and_harder_dogs(cats, dogs, seed=0, blur=0.0):
    """Cats are classified with a mean confidence of 0.95, dogs with one of 0.8."""
    random = np.random.default_rng(seed)
    confidences = np.concatenate([random.beta(19, 1, cats), random.beta(8, 2, dogs)]) - blur
    predicted = np.repeat(np.array([0, 1], np.int32), (cats, dogs))
    return Sample(confidences.astype(np.float32), predicted, np.zeros(cats + dogs, bool))


def test_more_photos_of_the_harder_class_are_no_drift():
    test = cats_and_harder_dogs(300, 300, seed=10_000)
    alarms = [compare(cats_and_harder_dogs(0, 60, seed), test, CLASSES)["drift"] for seed in range(200)]
    assert np.mean(alarms) <= 0.07
    # More photos of the easier class hide nothing.
    assert compare(cats_and_harder_dogs(60, 0, blur=0.1), test, CLASSES)["drift"] is True
    expected = compare(cats_and_harder_dogs(45, 15), test, CLASSES)["confidence"]["test"]
    by_class = [test.confidences[test.predicted == label].mean(dtype=float) for label in (0, 1)]
    assert expected["value"] == pytest.approx(0.75 * by_class[0] + 0.25 * by_class[1])
    assert expected["low"] < expected["value"] < expected["high"]


def test_photos_of_a_class_that_is_hardly_ever_predicted_are_compared_with_all_test_photos():
    test = cats_and_harder_dogs(600, LEAST_OF_CLASS - 1)
    found = compare(cats_and_harder_dogs(0, 60), test, CLASSES)
    assert found["confidence"]["test"]["value"] == pytest.approx(test.confidences.mean(dtype=float))


def test_figures_have_intervals_and_are_ready_for_json():
    flags = np.arange(100) < 31
    dog = np.where(np.arange(100) % 4 == 0, 0.9, 0.2)
    new = Sample.of(np.column_stack([1 - dog, dog]), flags)
    drift = json.loads(json.dumps(compare(new, TEST, CLASSES), allow_nan=False))
    figure = drift["out_of_distribution"]
    # Wilson's interval of 31 of 100, by R's prop.test(31, 100, correct=FALSE)
    assert [figure[name] for name in ("value", "low", "high")] == pytest.approx([0.31, 0.2277, 0.4063], abs=1e-4)
    assert figure["test"]["value"] == TEST.unfamiliar.mean()
    assert drift["confidence"]["value"] == pytest.approx(0.25 * 0.9 + 0.75 * 0.8)
    assert drift["confidence"]["low"] < drift["confidence"]["value"] < drift["confidence"]["high"]
    assert {name: share["value"] for name, share in drift["classes"].items()} == {"cat": 0.75, "dog": 0.25}
    assert (drift["photos"], drift["test_photos"]) == (100, 600)


def test_few_photos_and_models_without_stored_answers_are_not_judged():
    few = compare(sample(LEAST - 1, flagged=1), TEST, CLASSES)
    assert (few["drift"], few["p_values"], few["confidence"]) == (None, None, None)
    assert compare(Sample.of(np.empty((0, 2)), []), TEST, CLASSES)["photos"] == 0
    for test in (None, sample(LEAST - 1)):
        unknown = compare(sample(240), test, CLASSES)
        assert (unknown["drift"], unknown["p_values"]) == (None, None)
        assert unknown["out_of_distribution"]["test"] is None
        assert unknown["confidence"]["low"] > 0.5
    undescribed = Sample.of(np.full((100, 2), 0.5), [None] * 100)
    assert compare(undescribed, None, CLASSES)["out_of_distribution"] is None
    p_values = compare(undescribed, TEST, CLASSES)["p_values"]
    assert (p_values["out_of_distribution"], p_values["confidence"] < 0.001) == (None, True)


def test_there_is_no_verdict_where_test_photos_come_in_groups():
    grouped = replace(TEST, groups=np.arange(600) // 10)
    drift = compare(sample(240, flagged=1), grouped, CLASSES)
    assert (drift["drift"], drift["p_values"], drift["test_groups"]) == (None, None, 60)
    assert drift["out_of_distribution"]["test"] is None


def test_a_model_that_always_gives_the_same_answer_has_no_drift():
    certain = Sample.of(np.tile([1.0, 0.0], (100, 1)), [False] * 100)
    drift = compare(certain, certain, CLASSES)
    assert drift["drift"] is False
    assert drift["p_values"] == {"out_of_distribution": 1.0, "confidence": 1.0, "classes": 1.0}


def test_a_sample_survives_its_file(tmp_path):
    dataset = ArraysDataset(filepath=str(tmp_path / "model.npz"))
    dataset.save({"means": np.zeros(3), **TEST.arrays()})
    again = Sample.from_arrays(dataset.load())
    assert compare(again, TEST, CLASSES) == compare(TEST, TEST, CLASSES)
    dataset.save(replace(TEST, groups=np.arange(600)).arrays())
    assert len(Sample.from_arrays(dataset.load()).groups) == 600
