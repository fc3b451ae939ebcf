"""The hint that a photo is neither: what is far from all training images is flagged, what is like them is not."""

import numpy as np
import pytest

from dogs_vs_cats.evaluation.out_of_distribution import Distribution, fit, with_features


def cloud(count, size, seed=0):
    """Two classes of non-negative features, some of which go together."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    points = 2 + random.normal(0, 0.1, (count, size))
    points[:, :4] += random.normal(0, 0.4, (count, 1))
    points[:, 4] += labels
    return points.astype(np.float32), labels


def test_images_like_the_training_are_rarely_flagged_and_others_are():
    features, labels = cloud(600, 20)
    validation, _ = cloud(400, 20, seed=1)
    found = fit(features, labels, validation)
    fresh, _ = cloud(2000, 20, seed=2)
    assert (found.distances(fresh) > found.threshold).mean() < 0.03
    apart = fresh.copy()
    apart[:, 0] += 2
    apart[:, 1] -= 2  # these two always went together
    assert (found.distances(apart) > found.threshold).mean() > 0.99
    together = fresh.copy()
    together[:, :4] += 0.3
    assert (found.distances(together) > found.threshold).mean() < 0.1
    unusual = fresh.copy()
    unusual[:, 7] += 2
    assert (found.distances(unusual) > found.threshold).mean() > 0.99
    assert (found.distances(np.zeros((1, 20), np.float32)) > found.threshold).all()


def test_means_and_directions_are_those_of_the_training_images():
    features, labels = cloud(1500, 6)  # in two parts
    found = fit(features, labels, features)
    for label in (0, 1):
        mean = features[labels == label].mean(axis=0)
        np.testing.assert_allclose(found.means[label, :6] * found.spread[:6], mean, rtol=1e-5)
    np.testing.assert_allclose(found.spread[:6], features.std(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(len(found.directions)), atol=1e-5)
    assert found.distances(features).mean() == pytest.approx(1, abs=0.2)


def test_features_that_never_fire_and_few_images_give_finite_distances():
    features, labels = cloud(8, 30)
    features[:, 10:] = 0
    found = fit(features, labels, features[:0])
    assert np.isfinite(found.distances(features)).all()
    blank = np.zeros((1, 30), np.float32)
    blank[0, 20] = 5
    assert found.distances(blank)[0] > found.threshold


def test_it_survives_its_file(tmp_path):
    from dogs_vs_cats.datasets import ArraysDataset

    features, labels = cloud(100, 12)
    found = fit(features, labels, features)
    dataset = ArraysDataset(filepath=str(tmp_path / "d.npz"))
    dataset.save(found.arrays())
    again = Distribution.from_arrays(dataset.load())
    np.testing.assert_array_equal(again.distances(features), found.distances(features))
    first = (tmp_path / "d.npz").read_bytes()
    dataset.save(found.arrays())
    assert (tmp_path / "d.npz").read_bytes() == first


def test_a_distribution_of_other_features_than_the_models_flags_nothing():
    """Earlier versions described images by the last feature map, even where the base gives a vector."""
    import keras

    from dogs_vs_cats.inference.classifiers import Classifier

    features, labels = cloud(100, 12)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")])
    known = fit(features, labels, features)
    classifier = Classifier("old", None, model, ["cat", "dog"], 8, 3, "", None, "stretch", known)
    for size, kinds in ((12, {bool}), (20, {type(None)})):
        outputs = np.hstack([np.full((5, 1), 0.5, np.float32), cloud(5, size)[0]])
        assert {type(flag) for flag in classifier.answers(outputs)[1]} == kinds


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_asking_for_features_changes_no_answer(policy):
    import keras

    from dogs_vs_cats.inference.predictor import predictor
    from dogs_vs_cats.models.output_layers import probabilities
    from dogs_vs_cats.parameters.compute import ComputeParameters

    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    base_image = keras.Input((32, 32, 3), name="base_image")
    maps = keras.layers.Conv2D(6, 3, activation="relu", name="convolution")(base_image)
    base = keras.Model(base_image, keras.layers.MaxPooling2D(name="pooling")(maps), name="base")
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Rescaling(1 / 255, name="rescale")(image)
    x = keras.layers.GlobalAveragePooling2D(name="average")(base(x, training=False))
    features = keras.Input((6,), name="features")
    head = keras.Model(features, probabilities(features, 2), name="head")
    model = keras.Model(image, head(x), name="joined")
    compute = ComputeParameters(
        threads=2,
        instruction_set="auto",
        precision=policy,
        jit_compile=False,
        steps_per_execution="auto",
        workers="auto",
        devices="auto",
        images_on_device="auto",
        cluster=None,
    )
    pictures = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    plain = predictor(model, compute)(pictures)
    both = predictor(with_features(model), compute)(pictures)
    assert both.shape == (5, 1 + 6)
    np.testing.assert_allclose(both[:, :1], plain, rtol=0, atol=1e-6)
    # Float32 to the last layer: bfloat16 would round the answers to 0.002.
    assert len(np.unique(plain)) == 5
    if policy == "float32":
        inside = base(pictures.astype(np.float32) / 255)
        np.testing.assert_allclose(both[:, 1:], np.asarray(inside).mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)
