"""The linear head: the logistic regression that scikit-learn would fit, as the weights of one dense layer."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

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
    centre, scale = training.features.mean(axis=0), np.sqrt(training.features.var(axis=0).mean())
    expected = LogisticRegression(C=chosen(caplog), tol=1e-8, max_iter=1000)
    expected.fit((training.features - centre) / scale, training.labels)
    given = (validation.features - centre) / scale
    logits = expected.decision_function(given).reshape(len(validation.labels), outputs)
    assert np.allclose(validation.features @ head.kernel + head.bias, logits, atol=1e-2)
    loss, accuracy = head.log_loss_and_accuracy(validation)
    stated = expected.predict_proba(given)[np.arange(len(validation.labels)), validation.labels]
    assert loss == pytest.approx(-np.log(stated).mean(), abs=1e-3)
    assert accuracy == pytest.approx(expected.score(given, validation.labels), abs=0.01)


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
    few = validation.take(slice(-1))
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


def test_one_image_of_each_of_many_classes_is_fitted_without_a_warning():
    assert fit(rows(30, classes=30), NONE).kernel.shape == (12, 30)


def test_features_that_hardly_vary_do_not_drown_the_others_where_there_are_few_images():
    def images(count, seed):
        random = np.random.default_rng(seed)
        telling = random.normal(size=(count, 5)) + np.where(np.arange(count) % 2, 1.5, -1.5)[:, np.newaxis]
        return Rows(
            np.hstack([telling, 0.05 * random.normal(size=(count, 500))]).astype(np.float32), np.arange(count) % 2
        )

    nothing = images(0, 0)
    accuracies = [fit(images(10, seed), nothing).log_loss_and_accuracy(images(500, 99))[1] for seed in range(5)]
    assert np.mean(accuracies) > 0.97  # 0.64 with a standard deviation of its own for each feature


def test_copies_of_a_photo_do_not_choose_the_penalty(caplog):
    caplog.set_level("INFO")
    random = np.random.default_rng(0)
    different = Rows(random.normal(size=(20, 50)).astype(np.float32), np.arange(20) % 2)  # noise
    copies = different.take(np.repeat(np.arange(20), 4))
    nothing = different.take(slice(0))
    fit(copies, nothing)
    fooled = chosen(caplog)
    fit(copies._replace(groups=np.repeat(np.arange(20), 4)), nothing)
    assert chosen(caplog) < fooled / 100


def test_a_class_whose_copies_are_all_alike_is_fitted_all_the_same():
    groups = np.array([0] * 9 + [1] + list(range(2, 12)))
    labels = np.repeat([0, 1], 10)
    head = fit(Rows(rows(20).features, labels, groups), NONE)
    assert np.isfinite(head.kernel).all()


def test_a_weight_counts_images_several_times():
    uneven = rows(90, noise=4.0)
    kept = np.flatnonzero((uneven.labels == 0) | (np.arange(90) % 6 == 1))
    uneven = uneven.take(kept)
    plain, weighted = fit(uneven, NONE), fit(uneven, NONE, {0: 2 / 3, 1: 2.0})
    minority = uneven.take(np.flatnonzero(uneven.labels == 1))
    assert weighted.log_loss_and_accuracy(minority)[1] > plain.log_loss_and_accuracy(minority)[1]


def test_many_rows_choose_the_penalty_on_some_and_fit_to_all(monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr("dogs_vs_cats.training.linear_head.MOST_ROWS", 50)
    fit(rows(101, 3), NONE)
    assert "34 training images" in caplog.text
