"""Bases: their preprocessing is Keras's own, their weights are the ones asked for, and never random in silence."""

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.errors import BackboneError
from dogs_vs_cats.parameters.backbone import BackboneParameters
from tests.approaches.test_approaches import END_TO_END
from tests.parameters.test_parameters import parameters as environment_parameters
from tests.parameters.test_parameters import refused
from tests.training.test_training import COMPUTE, train

MOBILENET_V2 = "weights/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"


def backbone(**changes):
    values = {
        "name": "MobileNetV2",
        "weights": "imagenet",
        "kwargs": {"alpha": 0.35},
        "preprocessing": "own",
        "source_task": {"images": 400, "epochs": 2, "batch_size": 32, "learning_rate": 0.001},
    }
    return BackboneParameters.model_validate(values | changes)


def build(parameters, size=96, channels=3):
    from dogs_vs_cats.models import backbones

    return backbones.build(parameters, size, channels)


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(1).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)


def test_own_preprocessing_is_what_keras_gives(shared, photos):
    import keras

    base = build(backbone(weights=str(shared / MOBILENET_V2)))
    reference = keras.applications.MobileNetV2(
        input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=str(shared / MOBILENET_V2)
    )
    prepared = keras.applications.mobilenet_v2.preprocess_input(photos.astype(np.float32))
    assert np.allclose(base.predict(photos, verbose=0), reference.predict(prepared, verbose=0), atol=1e-4)


def test_rescale_is_the_lectures_255th(shared, photos):
    import keras

    base = build(backbone(weights=str(shared / MOBILENET_V2), preprocessing="rescale"))
    reference = keras.applications.MobileNetV2(
        input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=str(shared / MOBILENET_V2)
    )
    expected = reference.predict(photos.astype(np.float32) / 255, verbose=0)
    assert np.allclose(base.predict(photos, verbose=0), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["VGG16", "ResNet50", "DenseNet121", "EfficientNetV2B0", "MobileNetV3Small"])
@pytest.mark.slow
def test_bases_are_saved_and_loaded_with_their_preprocessing(tmp_path, photos, name):
    import keras

    from dogs_vs_cats.datasets import KerasModelDataset

    untrained = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(96, 96, 3))
    untrained.save_weights(tmp_path / "base.weights.h5")
    base = build(backbone(name=name, kwargs={}, weights=str(tmp_path / "base.weights.h5")))
    dataset = KerasModelDataset(filepath=str(tmp_path / "base.keras"))
    dataset.save(base)
    assert np.array_equal(base.predict(photos, verbose=0), dataset.load().predict(photos, verbose=0))


def test_grey_images_are_repeated_into_three_channels(shared, photos):
    weights = str(shared / MOBILENET_V2)
    grey = photos[..., :1]
    expected = build(backbone(weights=weights)).predict(np.repeat(grey, 3, axis=-1), verbose=0)
    answer = build(backbone(weights=weights), channels=1).predict(grey, verbose=0)
    assert np.allclose(answer, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "VGG61"}, "VGG61' is unknown.*VGG16, VGG19"),
        ({"kwargs": {"beta": 1}}, "can't be built with backbone.kwargs={'beta': 1}"),
        ({"name": "EfficientNetV2B0", "preprocessing": "rescale"}, "EfficientNetV2B0 has its own preprocessing inside"),
        ({"weights": "data/01_raw/missing.h5"}, "there is no file.*missing.h5"),
        ({"weights": "~nobody-here/missing.h5"}, "there is no file.*~nobody-here/missing.h5"),
    ],
)
def test_what_cannot_be_built_is_named(changes, message):
    with pytest.raises(BackboneError, match=message):
        build(backbone(**changes))


@pytest.mark.parametrize("changes", [{"kwargs": {"alpha": 1.0}}, {"name": "MobileNet", "kwargs": {"alpha": 0.25}}])
def test_weights_that_do_not_fit_are_refused(shared, changes):
    with pytest.raises(BackboneError, match=r"0\.35_224_no_top\.h5 doesn't fit"):
        build(backbone(weights=str(shared / MOBILENET_V2), **changes))


def test_imagenet_weights_that_cannot_be_fetched_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(BackboneError, match=r"MobileNetV2 can't be fetched: .*backbone\.weights=FILE"):
        build(backbone(kwargs={"alpha": 0.5}))


def test_a_weights_file_that_leaves_weights_unset_is_refused(tmp_path):
    import h5py
    import keras

    application = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(96, 96, 3), alpha=0.35)
    path = tmp_path / "base.weights.h5"
    application.save_weights(path)
    with h5py.File(path, "a") as file:
        largest = []
        file.visititems(lambda name, item: largest.append(name) if isinstance(item, h5py.Dataset) else None)
        file[largest[-1]][...] = np.nan
    with pytest.raises(BackboneError, match="leaves 1 of"):
        build(backbone(weights=str(path)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "imagenet"}, "backbone.weights: source_cnn trains itself, so it takes generated"),
        ({"kwargs": {"alpha": 0.35}}, "backbone.kwargs: source_cnn trains itself, so it takes {}"),
        ({"preprocessing": "rescale"}, "backbone.preprocessing: source_cnn trains itself, so it takes own"),
    ],
)
def test_source_cnn_takes_nothing_of_other_bases(changes, message):
    values = environment_parameters()
    values["backbone"] |= changes
    assert message in refused(values)


@pytest.mark.medium
def test_source_cnn_learns_its_source_task_and_repeats_exactly():
    from dogs_vs_cats.pipelines.backbone.nodes import make_backbone

    task = {"images": 1000, "epochs": 6, "batch_size": 16, "learning_rate": 0.004}
    parameters = backbone(name="source_cnn", weights="generated", kwargs={}, source_task=task)
    first, record = make_backbone(parameters, 32, 3, COMPUTE, 0)
    second, again = make_backbone(parameters, 32, 3, COMPUTE, 0)
    assert record == again
    assert record["source_accuracy"] > 0.2
    assert not first.trainable_weights
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def test_a_source_model_that_only_guesses_is_refused():
    from dogs_vs_cats.pipelines.backbone.nodes import make_backbone

    task = {"images": 100, "epochs": 1, "batch_size": 32, "learning_rate": 0.000001}
    with pytest.raises(BackboneError, match="nothing to transfer"):
        make_backbone(backbone(name="source_cnn", weights="generated", kwargs={}, source_task=task), 32, 3, COMPUTE, 0)


def test_auto_precision_leaves_depthwise_bases_in_float32_on_processors():
    import keras

    from dogs_vs_cats.compute.backend import accelerators
    from dogs_vs_cats.compute.precision import _multiplies_bfloat16, dtype_policy

    auto = COMPUTE.model_copy(update={"precision": "auto"})
    make = {"include_top": False, "weights": None, "input_shape": (96, 96, 3)}
    mobile = keras.applications.MobileNetV2(alpha=0.35, **make)
    usual = "mixed_bfloat16" if _multiplies_bfloat16("auto") else "float32"
    assert dtype_policy(auto, keras.applications.VGG16(**make)) == usual
    assert dtype_policy(auto, keras.applications.EfficientNetV2B0(**make)) == usual
    held = auto.model_copy(update={"instruction_set": "avx2"})
    assert dtype_policy(held, keras.applications.VGG16(**make)) == (usual if accelerators() else "float32")
    # As part of a larger model, too.
    image = keras.Input((96, 96, 3))
    for model in (mobile, keras.Model(image, mobile(image))):
        assert dtype_policy(auto, model) == (usual if accelerators() else "float32")
    assert dtype_policy(COMPUTE.model_copy(update={"precision": "mixed_bfloat16"}), mobile) == "mixed_bfloat16"


@pytest.fixture
def earlier(tmp_path):
    """A model of one's own, with the batch normalisation and the dense layers of a lecture."""
    import keras

    from dogs_vs_cats.datasets import KerasModelDataset
    from dogs_vs_cats.models.architectures import build_architecture

    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = build_architecture("mnist_cnn_batchnorm", (32, 32, 3), 10)
    KerasModelDataset(filepath=str(tmp_path / "earlier.keras")).save(model)
    return model


def base_of_earlier(folder, drop, size=32, channels=3):
    from dogs_vs_cats.models.backbones import earlier_model

    values = {"name": "earlier_model", "weights": str(folder / "earlier.keras"), "kwargs": {"drop_layers": drop}}
    return earlier_model(backbone(**values), size, channels)


@pytest.mark.parametrize(("drop", "last"), [(2, "normalization_1"), (6, "pooling_2")])
def test_an_earlier_model_without_its_last_layers_is_a_base(earlier, tmp_path, drop, last):
    import keras

    base = base_of_earlier(tmp_path, drop)
    assert base.layers[-1].name == f"earlier_{last}"
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    inside = keras.Model(earlier.inputs[0], earlier.get_layer(last).output)
    assert np.array_equal(base.predict(pixels, verbose=0), inside.predict(pixels, verbose=0))


def test_the_first_layers_stay_to_the_bit_and_the_others_are_trained(earlier, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    manifest = pd.DataFrame({"label": [i % 2 for i in range(24)], "split": ["train"] * 16 + ["validation"] * 8})
    base = base_of_earlier(tmp_path, 2)
    values = {**END_TO_END, "dense_units": 8, "unfreeze_from": "earlier_convolution_2"}
    values |= {"fine_tuning_learning_rate": 0.01}
    record = {"identity": "base", "name": "earlier_model", "made_with": {"preprocessing": "own"}}
    model, *_ = train("transfer_end_to_end", values, images, manifest, tmp_path, backbone=base, backbone_record=record)
    changed = {
        layer.name
        for layer in model.get_layer("earlier_model").layers[1:]
        for old, new in zip(
            earlier.get_layer(layer.name.removeprefix("earlier_")).get_weights(), layer.get_weights(), strict=True
        )
        if old.tobytes() != new.tobytes()
    }
    # Batch normalisation stays frozen in any case.
    assert changed == {"earlier_convolution_2", "earlier_dense_1"}


def test_a_model_that_was_transferred_can_be_transferred_again(earlier, tmp_path):
    import keras

    from dogs_vs_cats.approaches import approach_of
    from dogs_vs_cats.datasets import KerasModelDataset

    module = approach_of("transfer_end_to_end", {})
    typed = module.Parameters.model_validate({**END_TO_END, "dense_units": 8})
    second = module.build(typed, (32, 32, 3), 3, base_of_earlier(tmp_path, 2))
    KerasModelDataset(filepath=str(tmp_path / "earlier.keras")).save(second)
    # The two layers named dense_1, of the first model and of the second, are both in it.
    names = [layer.name for layer in base_of_earlier(tmp_path, 1).layers]
    assert names[-3:] == ["earlier_earlier_dense_1", "earlier_earlier_normalization_1", "earlier_dense_1"]
    with keras.StatelessScope(initialize_variables=False):
        assert module.build(typed, (32, 32, 3), 3, base_of_earlier(tmp_path, 1)).output_shape == (None, 3)


@pytest.mark.parametrize(
    ("drop", "size", "channels", "message"),
    [
        (13, 32, 3, r"drop_layers=13: mnist_cnn_batchnorm has 12 layers, and"),
        (2, 64, 3, "takes images of 32×32×3, but here they are 64×64×3"),
        (2, 32, 1, "takes images of 32×32×3, but here they are 32×32×1"),
    ],
)
def test_an_earlier_model_that_cannot_be_cut_or_fed_so_is_refused(earlier, tmp_path, drop, size, channels, message):
    with pytest.raises(BackboneError, match=message):
        base_of_earlier(tmp_path, drop, size, channels)


def test_an_earlier_model_is_not_cut_between_branches(tmp_path):
    import keras

    from dogs_vs_cats.datasets import KerasModelDataset

    image = keras.Input((8, 8, 3), name="image")
    branches = [keras.layers.Conv2D(2, 1, name=name)(image) for name in ("left", "right")]
    x = keras.layers.Flatten(name="flatten")(keras.layers.Add(name="sum")(branches))
    x = keras.layers.Dense(1, activation="sigmoid", name="probability")(x)
    KerasModelDataset(filepath=str(tmp_path / "earlier.keras")).save(keras.Model(image, x, name="branched"))
    assert base_of_earlier(tmp_path, 2, 8).output_shape == (None, 8, 8, 2)
    with pytest.raises(BackboneError, match="must all lead to one map or vector"):
        base_of_earlier(tmp_path, 3, 8)


def test_an_earlier_model_that_is_not_there_is_told(tmp_path):
    with pytest.raises(
        BackboneError, match=r"there is no file .*earlier\.keras\..*; earlier_model takes the model file"
    ):
        base_of_earlier(tmp_path, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "generated"}, "backbone.weights: earlier_model takes a model file"),
        ({"kwargs": {}}, "backbone.kwargs: earlier_model takes drop_layers alone"),
        ({"kwargs": {"drop_layers": 0}}, "at least 1; given was {'drop_layers': 0}"),
        ({"preprocessing": "rescale"}, "backbone.preprocessing: earlier_model has its preprocessing inside"),
    ],
)
def test_wrong_parameters_of_an_earlier_model_are_refused_before_anything_runs(changes, message):
    values = environment_parameters()
    values["backbone"] |= {"name": "earlier_model", "weights": "a.keras", "kwargs": {"drop_layers": 2}} | changes
    assert message in refused(values)
