"""The linear head: the logistic regression that scikit-learn would fit, as the weights of one dense layer."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dogs_vs_cats.training.linear_head import VALIDATION_SUFFICES, Rows, fit

NONE = Rows(np.empty((0, 12), np.float32), np.empty(0, int))


def rows(count, classes=2, noise=2.0, seed=0):
    """Overlapping classes; features have different scales, and one is always zero."""
    labels = np.arange(count) % classes
    centres = np.random.default_rng(9).normal(size=(classes, 12))
    features = centres[labels] + noise * np.random.default_rng(seed).normal(size=(count, 12))
    features = features * np.geomspace(0.1, 10, 12) + 5
    features[:, 3] = 0
    return Rows(features.astype(np.float32), labels)


def chosen(caplog):
    return float(caplog.text.rpartition("C=")[2].split()[0])


@pytest.mark.parametrize(("classes", "outputs"), [(2, 1), (4, 4)])
def test_it_is_the_logistic_regression_of_scikit_learn(classes, outputs, caplog):
    caplog.set_level("INFO")
    training, validation = rows(400, classes), rows(VALIDATION_SUFFICES, classes, seed=1)
    head = fit(training, validation)
    assert (head.kernel.shape, head.kernel.dtype, head.bias.shape) == ((12, outputs), np.float32, (outputs,))
    expected = make_pipeline(StandardScaler(), LogisticRegression(C=chosen(caplog), tol=1e-8)).fit(*training)
    logits = expected.decision_function(validation.features).reshape(len(validation.labels), outputs)
    assert np.allclose(validation.features @ head.kernel + head.bias, logits, atol=1e-2)
    loss, accuracy = head.log_loss_and_accuracy(validation)
    stated = expected.predict_proba(validation.features)[np.arange(len(validation.labels)), validation.labels]
    assert loss == pytest.approx(-np.log(stated).mean(), abs=1e-3)
    assert accuracy == pytest.approx(expected.score(*validation), abs=0.01)


def test_noise_gets_a_strong_penalty_and_clear_classes_a_weak_one(caplog):
    caplog.set_level("INFO")
    random = np.random.default_rng(2)
    noise = Rows(random.normal(size=(60, 12)).astype(np.float32), random.integers(0, 2, 60))
    fit(noise, NONE)
    strong = chosen(caplog)
    fit(rows(60, noise=0.1), NONE)
    assert strong < 1e-2 < chosen(caplog)
    assert "60 training images, by 5-fold cross-validation" in caplog.text


def test_few_validation_images_choose_nothing(caplog):
    caplog.set_level("INFO")
    validation = rows(VALIDATION_SUFFICES, seed=1)
    few = Rows(*(values[:-1] for values in validation))
    wrong = few._replace(labels=1 - few.labels)
    heads = [fit(rows(100), given) for given in (few, wrong, NONE)]
    assert all(np.array_equal(heads[0].kernel, head.kernel) for head in heads)
    fit(rows(100), validation)
    assert f"on {VALIDATION_SUFFICES} validation images" in caplog.text


@pytest.mark.parametrize("count", [3, 4, 6, 7])
def test_a_handful_of_images_suffices(count):
    head = fit(rows(count, 3), NONE)
    assert np.isfinite(head.kernel).all()
    assert head.log_loss_and_accuracy(rows(count, 3))[1] > 1 / 3


def test_a_weight_counts_images_several_times():
    uneven = rows(90, noise=4.0)
    kept = np.flatnonzero((uneven.labels == 0) | (np.arange(90) % 6 == 1))
    uneven = Rows(*(values[kept] for values in uneven))
    plain, weighted = fit(uneven, NONE), fit(uneven, NONE, {0: 2 / 3, 1: 2.0})
    minority = Rows(*(values[uneven.labels == 1] for values in uneven))
    assert weighted.log_loss_and_accuracy(minority)[1] > plain.log_loss_and_accuracy(minority)[1]


def test_many_rows_choose_the_penalty_on_some_and_fit_to_all(monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr("dogs_vs_cats.training.linear_head.MOST_ROWS", 50)
    fit(rows(101, 3), NONE)
    assert "34 training images" in caplog.text
