"""`ingestion.image_size: auto` is the size of the base, and a base that is a file has the name in it."""

import inspect
import re

import pytest

from dogs_vs_cats.errors import BackboneError, ModelFileError
from dogs_vs_cats.parameter_schema import check
from dogs_vs_cats.session.base_defaults import SIZES, USUAL_SIZE, fill_in
from dogs_vs_cats.session.config_loader import ConfigLoader
from tests.conftest import copy_project, kedro_in_turn
from tests.parameters.test_parameters import CONF, refused
from tests.parameters.test_parameters import parameters as environment_parameters


def loaded(**backbone):
    """The parameters of base with `--params=ingestion.image_size=auto,backbone.NAME=VALUE`."""
    given = {"ingestion": {"image_size": "auto"}, "backbone": backbone}
    merge = {"parameters": "soft"}
    loader = ConfigLoader(str(CONF), base_env="base", env="base", runtime_params=given, merge_strategy=merge)
    return loader["parameters"], loader.chosen_size


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    import keras

    def save(*shape):
        image = keras.Input(shape)
        path = tmp_path_factory.mktemp("models") / "on_disk.keras"
        keras.Model(image, keras.layers.Conv2D(2, 3)(image), name="tiny").save(path)
        return str(path)

    return save


def test_keras_has_the_same_sizes():
    import keras

    sizes = {}
    for name, application in inspect.getmembers(keras.applications, inspect.isfunction):
        # Keras says the size when it refuses another one for the whole network with its weights.
        with pytest.raises(ValueError, match="input_shape") as refusal:
            application(weights="imagenet", include_top=True, input_shape=(1, 1, 3))
        sizes[name] = [int(size) for size in re.findall(r"should be \((\d+), \1, 3\)", str(refusal.value))]
    # These take any size with their top, too.
    assert sizes.pop("MobileNetV3Large") == sizes.pop("MobileNetV3Small") == []
    assert len(sizes) > 30
    assert sizes == {name: [SIZES.get(name, USUAL_SIZE)] for name in sizes}


@pytest.mark.parametrize(
    ("backbone", "size"),
    [
        ({}, 64),
        ({"name": "VGG16", "weights": "imagenet"}, 224),
        ({"name": "EfficientNetV2B2", "weights": "imagenet"}, 260),
        ({"name": "InceptionV3", "weights": "some.weights.h5"}, 299),
    ],
)
def test_auto_is_the_size_of_the_base_on_the_command_line(backbone, size):
    parameters, chosen = loaded(**backbone)
    assert parameters["ingestion"]["image_size"] == size
    name = backbone.get("name", "source_cnn")
    assert chosen.reason == f"Images are {size}×{size} pixels, the size of {name}"
    check(parameters)


def test_auto_is_the_size_of_a_file_and_the_base_has_its_name(model_file):
    parameters, chosen = loaded(name="EfficientNetV2B0", weights=model_file(40, 40, 3))
    assert parameters["ingestion"]["image_size"] == 40
    assert parameters["backbone"]["name"] == "tiny"
    assert chosen.reason == "Images are 40×40 pixels, the size of tiny"
    check(parameters)
    parameters, chosen = loaded(name="VGG16", weights=model_file(None, None, 3))
    assert parameters["ingestion"]["image_size"] == 224
    assert chosen.reason == "Images are 224×224 pixels, as tiny takes any size"


def test_auto_is_the_size_of_an_earlier_model(model_file):
    parameters, _ = loaded(name="earlier_model", weights=model_file(28, 28, 1), kwargs={"drop_layers": 1})
    assert parameters["ingestion"]["image_size"] == 28
    assert parameters["backbone"]["name"] == "earlier_model"


def test_a_size_that_is_given_stays(model_file):
    given = {"ingestion": {"image_size": 128}, "backbone": {"name": "VGG16", "weights": model_file(40, 40, 3)}}
    parameters, chosen = fill_in(given)
    assert parameters["ingestion"]["image_size"] == 128
    assert parameters["backbone"]["name"] == "tiny"
    assert chosen is None


def test_the_size_of_a_file_that_is_missing_or_damaged_is_refused(tmp_path):
    with pytest.raises(BackboneError, match=r"there is no file .*nowhere\.keras"):
        loaded(name="VGG16", weights=str(tmp_path / "nowhere.keras"))
    (tmp_path / "empty.keras").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"empty\.keras can't be read as a Keras model"):
        loaded(name="VGG16", weights=str(tmp_path / "empty.keras"))
    # With a size that is given, only runs that need the base need its file.
    given = {"ingestion": {"image_size": 128}, "backbone": {"name": "VGG16", "weights": "nowhere.keras"}}
    assert fill_in(given) == (given, None)


@pytest.mark.parametrize("size", ["large", "auto"])
def test_other_words_are_refused(size):
    values = environment_parameters()
    values["ingestion"]["image_size"] = size
    assert "ingestion.image_size: input should be a whole number of pixels from 8 to 4096, or auto" in refused(values)


@pytest.mark.parametrize("broken", [{"backbone": 3}, {"ingestion": None}, {"backbone": {"name": 3}}, {}])
def test_parameters_that_are_wrong_are_left_to_the_schema(broken):
    given = {"ingestion": {"image_size": 8}, "backbone": {}} | broken
    assert fill_in(given) == (given, None)


@pytest.mark.medium
def test_a_run_says_the_size_once_and_refuses_a_wrong_one_before_it_reads_images(tmp_path, model_file):
    project = copy_project(tmp_path / "project")
    file = f"backbone.name=VGG16,backbone.weights={model_file(40, 40, 3)}"
    run = ("run", "--env=test", "--pipelines=data_ingestion,backbone")
    wrong, right = kedro_in_turn(
        project, (*run, f"--params={file}"), (*run, f"--params={file},ingestion.image_size=auto")
    )
    assert wrong.returncode == 1
    assert "takes images of 40×40×3, but here they are 32×32×3. Set ingestion.image_size=40." in wrong.stderr
    before, output = (" ".join((answer.stdout + answer.stderr).split()) for answer in (wrong, right))
    assert right.returncode == 0, output
    assert "ompleted node" in output
    assert "ompleted node" not in before
    assert output.count("Images are 40×40 pixels, the size of tiny") == 1
    assert (project / "data/06_models/test/backbone.json").read_text().count('"tiny"') == 2
