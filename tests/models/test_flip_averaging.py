"""Models that average over an image and its mirror image: a file like others, for everything that takes models."""

import keras
import numpy as np
import pytest

from dogs_vs_cats.approaches import approach_of
from dogs_vs_cats.compute.precision import with_dtype_policy
from dogs_vs_cats.datasets import KerasModelDataset
from dogs_vs_cats.evaluation import calibration
from dogs_vs_cats.evaluation.out_of_distribution import with_features
from dogs_vs_cats.explanation.grad_cam import explainer
from dogs_vs_cats.explanation.inspection import summarise_layers
from dogs_vs_cats.models.backbones import source_cnn
from dogs_vs_cats.models.flip_averaging import average_flips
from tests.approaches.test_approaches import COMMON, END_TO_END
from tests.parameters.test_parameters import parameters as environment_parameters

PHOTOS = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def logits(probabilities):
    values = np.asarray(probabilities, np.float64)
    return np.log(values) - np.log(1 - values) if values.shape[1] == 1 else np.log(values)


@pytest.fixture(scope="module", params=["naive_cnn", "transfer_end_to_end", "mlp"])
def classifiers(request):
    """A classifier without and with the mirror image: two classes on a base, three without; and one of dense layers."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    block = {"naive_cnn": COMMON, "transfer_end_to_end": {**END_TO_END, "dense_units": 8}}.get(request.param)
    block = block or environment_parameters("mnist")["mlp"]
    module = approach_of(request.param, block)
    base = source_cnn(32, 3) if module.USES_BACKBONE else None
    classes = 2 if module.USES_BACKBONE else 3
    plain = module.build(module.Parameters.model_validate(block), (32, 32, 3), classes, base)
    return plain, average_flips(plain)


def test_logits_are_the_mean_of_both_views(classifiers):
    plain, averaged = classifiers
    views = [logits(plain.predict(view, verbose=0)) for view in (PHOTOS, PHOTOS[:, :, ::-1])]
    found = logits(averaged.predict(PHOTOS, verbose=0))
    mean = (views[0] + views[1]) / 2
    if mean.shape[1] > 1:  # logarithms of probabilities are logits but for a constant
        mean, found = (values - values.mean(axis=1, keepdims=True) for values in (mean, found))
    np.testing.assert_allclose(found, mean, atol=1e-4)
    assert not np.allclose(views[0], views[1], atol=1e-4)
    assert averaged.count_params() == plain.count_params()
    assert len(averaged.trainable_weights) == len(plain.trainable_weights)


def test_it_is_saved_and_loaded_as_other_models_are(classifiers, tmp_path):
    _, averaged = classifiers
    dataset = KerasModelDataset(filepath=str(tmp_path / "model.keras"))
    dataset.save(averaged)
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True, compile=False)
    answers = averaged.predict(PHOTOS, verbose=0)
    np.testing.assert_array_equal(loaded.predict(PHOTOS, verbose=0), answers)
    in_bfloat16 = with_dtype_policy(loaded, "mixed_bfloat16").predict(PHOTOS, verbose=0)
    assert in_bfloat16.dtype == np.float32
    np.testing.assert_allclose(in_bfloat16, answers, atol=0.05)


def test_a_temperature_in_its_last_layer_is_exact(classifiers):
    _, averaged = classifiers
    before = averaged.predict(PHOTOS, verbose=0)
    every = before if before.shape[1] > 1 else np.concatenate([1 - before, before], axis=1)
    calibration.put_into(averaged, 2.0)
    np.testing.assert_allclose(
        averaged.predict(PHOTOS, verbose=0), calibration.tempered(every, 2.0)[:, -before.shape[1] :], atol=1e-6
    )
    calibration.put_into(averaged, 0.5)
    np.testing.assert_allclose(averaged.predict(PHOTOS, verbose=0), before, atol=1e-6)


def test_features_beside_the_answer_are_those_of_the_image_itself(classifiers):
    plain, averaged = classifiers
    of_plain, of_averaged = (with_features(model).predict(PHOTOS, verbose=0) for model in classifiers)
    count = plain.output_shape[1]
    np.testing.assert_allclose(of_averaged[:, :count], averaged.predict(PHOTOS, verbose=0), atol=1e-6)
    np.testing.assert_allclose(of_averaged[:, count:], of_plain[:, count:], atol=1e-4)


def test_explanations_are_about_the_image_itself(classifiers):
    plain, averaged = classifiers
    assert summarise_layers(averaged, 1).equals(summarise_layers(plain, 1))
    before, after = explainer(plain), explainer(averaged)
    if before is None:
        assert after is None
    else:
        np.testing.assert_allclose(after(PHOTOS[0], 1), before(PHOTOS[0], 1), atol=1e-4)
