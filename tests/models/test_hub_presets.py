"""Presets of KerasHub, built with random weights and saved to a folder, are bases like any other."""

import subprocess
import sys

import numpy as np
import pytest

from dogs_vs_cats.errors import BackboneError, ModelFileError
from dogs_vs_cats.models.backbones.hub import preset_size
from tests.conftest import SOURCE
from tests.models.test_backbones import backbone, build
from tests.parameters.test_parameters import parameters as environment_parameters
from tests.parameters.test_parameters import refused

SCALE, OFFSET = [0.02, 0.016, 0.014], [-2.0, -1.5, -1.0]


@pytest.fixture(scope="module")
def hub():
    return pytest.importorskip("keras_hub", reason="KerasHub, the extra `hub`, isn't installed", exc_type=ImportError)


def save(folder, model, converter, size):
    converter(image_size=(size, size), scale=SCALE, offset=OFFSET).save_to_preset(folder)
    model.save_to_preset(folder)
    return model


@pytest.fixture(scope="module")
def dinov2(hub, tmp_path_factory):
    """A small DINOv2 with registers, 5×5 patches, and its folder."""
    folder = tmp_path_factory.mktemp("presets") / "dinov2_tiny"
    shape = (70, 70, 3)
    model = hub.models.DINOV2Backbone(
        14, 2, 16, 2, 32, num_register_tokens=4, image_shape=shape, position_embedding_shape=shape
    )
    return save(str(folder), model, hub.layers.DINOV2ImageConverter, 70), folder


@pytest.fixture(scope="module")
def resnet(hub, tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "resnet_tiny"
    model = hub.models.ResNetBackbone([64], [7], [64], [1], [1], "basic_block")
    return save(str(folder), model, hub.layers.ResNetImageConverter, 64), folder


@pytest.fixture(scope="module")
def vit(hub, tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "vit_tiny"
    model = hub.models.ViTBackbone((32, 32, 3), 8, 2, 2, 16, 32)
    return save(str(folder), model, hub.layers.ViTImageConverter, 32), folder


def base_of(folder, size, channels=3):
    return build(backbone(name=f"hub:{folder}", weights="preset", kwargs={}), size, channels)


def photos(size, channels=3):
    return np.random.default_rng(1).integers(0, 256, (2, size, size, channels), dtype=np.uint8)


def prepared(images):
    return (images * np.array(SCALE) + np.array(OFFSET)).astype(np.float32)


def test_a_transformer_gives_its_class_token_and_the_average_of_its_patches(dinov2):
    model, folder = dinov2
    base = base_of(folder, 70)
    tokens = model.predict({"images": prepared(photos(70))}, verbose=0)
    assert tokens.shape == (2, 1 + 4 + 25, 16)
    expected = np.concatenate([tokens[:, 0], tokens[:, 5:].mean(1)], axis=1)
    assert np.allclose(base.predict(photos(70), verbose=0), expected, atol=1e-5)
    assert base.name == "dinov2_tiny"


def test_dinov2_takes_another_size_than_its_own(dinov2):
    assert base_of(dinov2[1], 56).predict(photos(56), verbose=0).shape == (2, 32)


def test_the_inside_of_a_transformer_is_listed(dinov2):
    from dogs_vs_cats.explanation import grad_cam, inspection
    from dogs_vs_cats.models.frozen_base import last_stage
    from dogs_vs_cats.reporting.explanation_figures import first_filters

    base = base_of(dinov2[1], 70)
    layers = inspection.summarise_layers(base, 8)
    assert layers["parameters"].sum() == base.count_params()
    assert list(layers["output"][1:4]) == ["30×16"] * 3
    name, filters = inspection.first_filters(base)
    assert len(filters) == 0
    assert "it has no filters" in first_filters(name, filters).texts[0].get_text()
    assert grad_cam.explainer(base) is None
    # All have one size, so that the last quarter of the four layers with weights is the last stage.
    assert last_stage(base) == "dinov2_backbone_layernorm"


def test_a_convolutional_network_gives_maps_and_can_be_unfrozen_by_layer(resnet):
    from dogs_vs_cats.approaches import approach_of
    from tests.approaches.test_approaches import END_TO_END

    model, folder = resnet
    base = base_of(folder, 64)
    assert np.allclose(base.predict(photos(64), verbose=0), model.predict(prepared(photos(64)), verbose=0), atol=1e-5)
    assert base.output_shape == (None, 16, 16, 64)
    module = approach_of("transfer_end_to_end", {})
    typed = module.Parameters.model_validate({**END_TO_END, "unfreeze_from": base.layers[-1].name})
    assert module.build(typed, (64, 64, 3), 2, base).output_shape == (None, 1)


def test_grey_images_are_repeated_into_three_channels(resnet):
    grey = photos(64, 1)
    expected = base_of(resnet[1], 64).predict(np.repeat(grey, 3, axis=-1), verbose=0)
    assert np.allclose(base_of(resnet[1], 64, 1).predict(grey, verbose=0), expected, atol=1e-5)


@pytest.mark.medium
def test_a_model_on_it_is_saved_and_loads_in_a_process_that_knows_nothing_of_it(dinov2, tmp_path):
    from dogs_vs_cats.compute.precision import with_dtype_policy
    from dogs_vs_cats.datasets import KerasModelDataset
    from dogs_vs_cats.models.batchnorm_folding import fold_batch_normalisation
    from dogs_vs_cats.models.frozen_base import pooled

    features = pooled(base_of(dinov2[1], 70), "avg")
    KerasModelDataset(filepath=str(tmp_path / "model.keras")).save(features)
    np.save(tmp_path / "photos.npy", photos(70))
    np.save(tmp_path / "expected.npy", features.predict(photos(70), verbose=0))
    script = (
        "import sys; import numpy as np; from pathlib import Path\n"
        f"sys.path.insert(0, {str(SOURCE)!r})\n"
        "from dogs_vs_cats.datasets.keras_model import load_model\n"
        "answers = load_model(Path('model.keras')).predict(np.load('photos.npy'), verbose=0)\n"
        "assert np.array_equal(answers, np.load('expected.npy'))\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True)
    expected = np.load(tmp_path / "expected.npy")
    for copy in (fold_batch_normalisation(features), with_dtype_policy(features, "float32")):
        assert np.allclose(copy.predict(photos(70), verbose=0), expected, atol=1e-5)


def test_serving_a_model_on_it_needs_keras_hub(hub):
    from dogs_vs_cats.tracking.logged_model import requirements

    assert f"keras-hub=={hub.__version__}" in requirements("hub:dinov2_small")
    assert not any(line.startswith("keras-hub") for line in requirements("VGG16"))


def test_its_record_repeats(resnet):
    from dogs_vs_cats.pipelines.backbone.nodes import make_backbone
    from tests.training.test_training import COMPUTE

    values = backbone(name=f"hub:{resnet[1]}", weights="preset", kwargs={})
    _, record = make_backbone(values, 64, 3, COMPUTE, 0)
    assert record == make_backbone(values, 64, 3, COMPUTE, 1)[1]
    assert record["name"] == f"hub:{resnet[1]}"


def test_a_size_that_a_preset_does_not_take_is_refused(vit):
    assert base_of(vit[1], 32).output_shape == (None, 32)
    with pytest.raises(BackboneError, match=r"takes images of 32×32 alone, .* Set ingestion\.image_size=32, or auto"):
        base_of(vit[1], 64)


def test_auto_is_the_size_of_the_preset(dinov2, resnet):
    from dogs_vs_cats.session.base_defaults import fill_in

    given = {"ingestion": {"image_size": "auto"}, "backbone": {"name": f"hub:{dinov2[1]}", "weights": "imagenet"}}
    parameters, chosen = fill_in(given)
    assert parameters["ingestion"]["image_size"] == chosen.pixels == 70
    assert parameters["backbone"]["weights"] == "preset"
    assert preset_size(f"hub:{resnet[1]}") == 64


def test_what_is_no_preset_for_images_is_refused_in_one_line(hub, tmp_path):
    text = hub.models.BertBackbone(10, 1, 1, 8, 8)
    text.save_to_preset(str(tmp_path / "text"))
    for name in ("hub:resnet_4711", f"hub:{tmp_path / 'text'}", "hub:kaggle://somewhere"):
        with pytest.raises(BackboneError, match="KerasHub can't load the preset: ") as refusal:
            build(backbone(name=name, weights="preset", kwargs={}), 64)
        assert "\n" not in refusal.value.message


def test_without_keras_hub_the_command_that_installs_it_is_named(monkeypatch, tmp_path):
    import keras

    from dogs_vs_cats.datasets import KerasModelDataset
    from dogs_vs_cats.datasets.keras_model import load_model

    monkeypatch.setitem(sys.modules, "keras_hub", None)  # as where it isn't installed
    with pytest.raises(BackboneError, match=r"needs KerasHub, which isn't installed\. Install it: make dev"):
        build(backbone(name="hub:dinov2_small", weights="preset", kwargs={}), 64)

    @keras.saving.register_keras_serializable("keras_hub")
    class Layer(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    Layer.__module__ = "keras_hub.layers"
    image = keras.Input((8, 8, 3))
    KerasModelDataset(filepath=str(tmp_path / "model.keras")).save(keras.Model(image, Layer()(image)))
    with pytest.raises(ModelFileError, match=r"has layers of KerasHub, which isn't installed\. Install it: make dev"):
        load_model(tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "mine.keras"}, "backbone.weights: a preset brings its weights and its preprocessing, so it takes"),
        ({"kwargs": {"a": 1}}, "backbone.kwargs: a preset brings"),
        ({"preprocessing": "rescale"}, "backbone.preprocessing: a preset brings"),
    ],
)
def test_parameters_that_a_preset_does_not_take_are_refused(changes, message):
    values = environment_parameters()
    values["backbone"] |= {"name": "hub:dinov2_small", "weights": "preset"} | changes
    assert message in refused(values)
