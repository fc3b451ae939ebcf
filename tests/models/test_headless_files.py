"""A headless `.keras` file is a base by itself; whatever isn't headless is refused by what it ends in."""

import zipfile

import numpy as np
import pytest

from dogs_vs_cats.errors import BackboneError, ModelFileError, ParameterError
from dogs_vs_cats.models.file_header import read_header
from tests.models.test_backbones import backbone, build
from tests.parameters.test_parameters import parameters as environment_parameters
from tests.parameters.test_parameters import refused
from tests.training.test_training import images, linear, manifest

__all__ = ["images", "manifest"]  # fixtures

LITE0 = "weights/efficientnet_lite0_224.keras"


def base_of(path, size=32, channels=3):
    return build(backbone(weights=str(path), kwargs={}), size, channels)


@pytest.fixture
def saved(tmp_path):
    """Saves a model of some layers, applied to images one after another."""
    import keras

    def save(*layers, shape=(32, 32, 3), name="small_base"):
        image = x = keras.Input(shape, name="pixels")
        for layer in layers:
            x = layer(x)
        path = tmp_path / "on_disk.keras"
        keras.Model(image, x, name=name).save(path)
        return path

    return save


def convolution():
    from keras import layers

    return layers.Conv2D(4, 3, activation="relu", name="convolution")


def test_a_real_file_is_the_base_with_its_own_preprocessing(shared, tmp_path):
    import keras

    from dogs_vs_cats.datasets import KerasModelDataset
    from dogs_vs_cats.models.batchnorm_folding import fold_batch_normalisation
    from dogs_vs_cats.models.frozen_base import find_base, pooled

    base = base_of(shared / LITE0, 224)
    photos = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    maps = np.asarray(keras.models.load_model(shared / LITE0)(photos))
    assert base.name == "efficientnet_lite0"
    assert base.output_shape == (None, 7, 7, 1280)
    assert np.array_equal(base(photos), maps)
    features = pooled(base, "avg")
    assert find_base(features) is base
    assert np.allclose(features(photos), maps.mean((1, 2)), atol=1e-5)
    folded = fold_batch_normalisation(features)
    assert folded is not features
    assert np.allclose(folded(photos), maps.mean((1, 2)), atol=1e-4)
    dataset = KerasModelDataset(filepath=str(tmp_path / "base.keras"))
    dataset.save(base)
    assert np.array_equal(dataset.load()(photos), maps)


def test_its_record_has_the_name_in_the_file_and_repeats(saved):
    from dogs_vs_cats.pipelines.backbone.nodes import make_backbone
    from tests.training.test_training import COMPUTE

    parameters = backbone(weights=str(saved(convolution())), kwargs={})
    base, record = make_backbone(parameters, 32, 3, COMPUTE, 0)
    assert record == make_backbone(parameters, 32, 3, COMPUTE, 1)[1]
    assert (record["name"], record["output_shape"]) == ("small_base", [30, 30, 4])
    assert not base.trainable_weights


def test_it_can_be_fine_tuned_from_one_of_its_layers(saved):
    from dogs_vs_cats.approaches import approach_of
    from tests.approaches.test_approaches import END_TO_END

    module = approach_of("transfer_end_to_end", {})
    typed = module.Parameters.model_validate({**END_TO_END, "unfreeze_from": "convolution"})
    assert module.build(typed, (32, 32, 3), 2, base_of(saved(convolution()))).output_shape == (None, 1)
    typed = module.Parameters.model_validate({**END_TO_END, "unfreeze_from": "convolutoin"})
    with pytest.raises(BackboneError, match=r"isn't a layer of small_base\. Its layers: pixels, convolution"):
        module.build(typed, (32, 32, 3), 2, base_of(saved(convolution())))


def test_a_base_that_takes_any_size_is_fixed_to_that_of_the_images(saved):
    from keras import layers

    path = saved(convolution(), layers.MaxPooling2D(3), shape=(None, None, 3))
    assert base_of(path, 20).output_shape == (None, 6, 6, 4)
    assert base_of(path, 20).input_shape == (None, 20, 20, 3)
    with pytest.raises(ParameterError, match=r"Images of 4×4×3 are too small for small_base\. Set .* at least 5"):
        base_of(path, 4)


def test_a_sequential_model_and_a_vector_are_bases_too(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((8, 8, 3)), convolution(), keras.layers.GlobalAveragePooling2D()])
    model.save(tmp_path / "mine.keras")
    base = base_of(tmp_path / "mine.keras", 8)
    # Keras named the model.
    assert (base.name, base.output_shape) == ("mine", (None, 4))
    assert [layer.name for layer in base.layers][1] == "convolution"


def stages(prefix="", outputs=1):
    """A model of two convolutions, each with a batch normalisation that has statistics, on rescaled pixels."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3))
    x, ends = layers.Rescaling(1 / 127.5, -1, name=f"{prefix}centred")(image), []
    for name in ("first", "second"):
        x = layers.Conv2D(4, 3, 2, use_bias=False, name=prefix + name)(x)
        normalisation = layers.BatchNormalization(name=f"{prefix}{name}_normalised")
        x = layers.ReLU(name=f"{prefix}{name}_activation")(normalisation(x))
        random = np.random.default_rng(len(ends))
        normalisation.set_weights([random.uniform(0.5, 1.5, 4) for _ in range(4)])
        ends.append(x)
    return keras.Model(image, ends if outputs == 2 else x, name=f"{prefix}stages")


def test_a_file_without_models_inside_keeps_its_structure(shared):
    """Features and results on disk are found by it."""
    import keras

    base, file = base_of(shared / LITE0, 224), keras.models.load_model(shared / LITE0)
    plain = keras.Model(file.inputs[0], file.outputs[0], name="efficientnet_lite0")
    assert base.get_config() == plain.get_config()
    assert all(np.array_equal(a, b) for a, b in zip(base.get_weights(), file.get_weights(), strict=True))


@pytest.mark.parametrize("gives", ["maps", "a vector"])
def test_the_last_stage_of_a_model_inside_a_model_is_fine_tuned(gives, images, manifest, tmp_path):
    import keras
    from keras import layers

    image, darker = keras.Input((32, 32, 3)), layers.Rescaling(0.5, name="darker")
    if gives == "maps":
        model = keras.Model(image, 2 * stages()(darker(image)))  # with an operation that is no layer
    else:
        model = keras.Sequential([image, darker, stages(), layers.GlobalAveragePooling2D()])
    model.save(tmp_path / "nested.keras")
    base = base_of(tmp_path / "nested.keras")
    names = [layer.name for layer in base.layers]
    assert names[1:4] == ["darker", "centred", "first"]
    assert np.array_equal(base(images[:4]), model(images[:4]))
    assert base.name == "nested"

    whole, before = base.get_weights(), {name: base.get_layer(name).get_weights() for name in names}
    options = {"fine_tuning_learning_rate": 0.01, "keep_best_epoch": False}
    tuned, *_ = linear("transfer_end_to_end", base, images, manifest, tmp_path, **options)
    after = {name: tuned.get_layer("nested").get_layer(name).get_weights() for name in names}
    assert {name for name in names if not all(map(np.array_equal, before[name], after[name]))} == {"second"}
    assert all(map(np.array_equal, base.get_weights(), whole)), "the base that other approaches use was trained"


def test_layers_are_renamed_where_others_have_their_names(saved, images):
    """Those of models inside, and those that follow a base: the layers of a classifier are one flat graph later."""
    import keras
    from keras import layers

    from dogs_vs_cats.approaches import approach_of
    from dogs_vs_cats.models.frozen_base import join
    from dogs_vs_cats.models.graph import dissect
    from tests.approaches.test_approaches import BOTTLENECK, END_TO_END

    def flat_classifiers(base):
        for name, block, shape in (
            ("transfer_end_to_end", END_TO_END, (32, 32, 3)),
            ("transfer_bottleneck", BOTTLENECK, base.output_shape[-1:]),
        ):
            module = approach_of(name, {})
            built = module.build(module.Parameters.model_validate(block), shape, 2, base)
            yield dissect(built if name == "transfer_end_to_end" else join(name, base, built, "avg"))

    plain = base_of(saved(stages()))
    names = {step.layer.name for model in flat_classifiers(plain) for step in model.steps}
    around = sorted(names - {layer.name for layer in plain.layers})
    assert {"pooling", "dense_2", "probability"} < set(around)
    same = [layers.Activation("linear", name=name) for name in (*around, "base_first")]
    file = saved(layers.Rescaling(0.5, name="first"), stages(), *same)
    base = base_of(file)
    assert np.array_equal(base(images[:4]), keras.models.load_model(file)(images[:4]))
    assert [layer.name for layer in base.layers][1:4] == ["first", "centred", "base_first"]
    assert base.layers[-1].name == "base_base_first"
    assert all(model.steps for model in flat_classifiers(base))


def test_models_inside_a_model_that_cannot_become_one_are_refused(saved):
    import keras
    from keras import layers

    def outer(pixels):
        keras.utils.clear_session()
        return keras.ops.absolute(pixels)

    image = keras.Input((32, 32, 3))
    keras.utils.clear_session()
    inner = keras.Model(image, keras.ops.absolute(image), name="inner")
    with pytest.raises(
        BackboneError, match=r"\(inner\) can.t be replaced by their layers: The name .* is used"
    ) as told:
        base_of(saved(outer, inner, layers.Conv2D(2, 3)))
    assert "\n" not in told.value.message
    with pytest.raises(BackboneError, match="several inputs or outputs inside it: ending_stages"):
        base_of(saved(layers.Rescaling(0.5), stages("ending_", outputs=2), lambda ends: ends[1]))


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ({"activation": "softmax"}, "it ends in top, the probabilities of 5 classes"),
        ({"activation": "sigmoid"}, "it ends in top, the probabilities of 5 classes"),
        ({}, "it ends in top, by all appearances the logits of 5 classes"),
    ],
)
def test_a_classifier_is_refused_by_its_last_layer(saved, ending, message):
    from keras import layers

    path = saved(convolution(), layers.Flatten(), layers.Dense(5, **ending, name="top"))
    with pytest.raises(BackboneError, match=rf"{message}\. .*backbone\.name=earlier_model"):
        base_of(path)


def test_a_head_within_a_model_is_found(saved):
    import keras
    from keras import layers

    head = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Softmax(name="answer")], name="head")
    with pytest.raises(BackboneError, match="it ends in answer, the probabilities of 3 classes"):
        base_of(saved(convolution(), layers.GlobalAveragePooling2D(), head))


def test_dense_features_are_not_taken_for_a_classifier(saved):
    from keras import layers

    for ending in ({"use_bias": False}, {"activation": "relu"}):
        assert base_of(saved(convolution(), layers.Flatten(), layers.Dense(5, **ending))).output_shape == (None, 5)


@pytest.mark.parametrize(
    ("size", "channels", "message"),
    [
        (48, 3, r"takes images of 32×32×3, but here they are 48×48×3\. Set ingestion\.image_size=32\.$"),
        (32, 1, r"Set ingestion\.channels=3\.$"),
        (48, 1, r"Set ingestion\.image_size=32 and ingestion\.channels=3\.$"),
    ],
)
def test_other_images_than_its_own_are_refused_by_what_to_set(saved, size, channels, message):
    with pytest.raises(BackboneError, match=message):
        base_of(saved(convolution()), size, channels)


def test_what_is_no_function_of_one_image_is_refused(saved, tmp_path):
    import keras
    from keras import layers

    image, other = keras.Input((32, 32, 3)), keras.Input((32, 32, 3))
    keras.Model([image, other], [image, layers.Add()([image, other])]).save(tmp_path / "two.keras")
    with pytest.raises(BackboneError, match="has 2 inputs and 2 outputs"):
        base_of(tmp_path / "two.keras")
    with pytest.raises(BackboneError, match="leads from any×32×32×3 to any×1024×3"):
        base_of(saved(layers.Reshape((1024, 3))))
    with pytest.raises(BackboneError, match=r"takes images of 32×48×3.*square"):
        base_of(saved(convolution(), shape=(32, 48, 3)))


def test_layers_that_bring_code_are_named(saved):
    import keras

    @keras.saving.register_keras_serializable()
    class Doubled(keras.layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    path = saved(Doubled(), keras.layers.Lambda(abs))
    with pytest.raises(BackboneError, match="aren't Keras's own: Doubled, Lambda"):
        base_of(path)


def test_damaged_files_are_refused(saved, tmp_path):
    whole = saved(convolution()).read_bytes()
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFileError, match=r"damaged\.keras can't be read as a Keras model"):
        base_of(damaged)
    with zipfile.ZipFile(tmp_path / "on_disk.keras") as archive:
        start = archive.getinfo("model.weights.h5").header_offset
    # One bit in the middle of the weights: Keras itself loads this file without a word.
    place = start + (len(whole) - start) // 2
    damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(ModelFileError, match=r"damaged: model\.weights\.h5 in it differs from its checksum"):
        base_of(damaged)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BackboneError, match=r"there is no file .*nowhere\.keras"):
        base_of(tmp_path / "nowhere.keras")


def test_a_name_that_has_another_meaning_here_gives_way_to_that_of_the_file(saved):
    assert read_header(saved(convolution(), name="source_cnn")).name == "on_disk"
    assert read_header(saved(convolution(), name="head")).name == "on_disk"
    assert read_header(saved(convolution(), name="functional_3")).name == "on_disk"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kwargs": {"alpha": 0.35}}, "backbone.kwargs: a headless .keras file has its structure"),
        ({"preprocessing": "rescale"}, "backbone.preprocessing: a headless .keras file has its structure"),
        ({"name": "source_cnn"}, "a headless .keras file goes with any other backbone.name"),
    ],
)
def test_parameters_that_a_file_does_not_take_are_refused(changes, message):
    values = environment_parameters()
    values["backbone"] |= {"name": "VGG16", "weights": "a.keras"} | changes
    assert message in refused(values)
