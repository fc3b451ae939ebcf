"""Networks are built for images of any size, or refused in one line with the least size, before anything is decoded."""

import re

import pytest

from dogs_vs_cats.errors import BackboneError, ParameterError, ProjectError
from dogs_vs_cats.models.architectures import ARCHITECTURES
from dogs_vs_cats.models.backbones import build
from dogs_vs_cats.models.building import without_weights
from dogs_vs_cats.training.dry_build import dry_build, refuse_unbuildable
from tests.approaches.test_approaches import BOTTLENECK, COMMON, END_TO_END
from tests.conftest import copy_project, kedro
from tests.models.test_backbones import backbone
from tests.parameters.test_parameters import parameters

FROM_SCRATCH = {**COMMON, "dropout": None, "schedule": "constant"}
# Least sizes as they follow from the layers.
LEAST = {
    "naive_cnn": 22,
    "alexnet": 67,
    "alexnet_224": 64,
    "lenet5": 12,
    "mnist_cnn_pytorch": 16,
    "vgg16": 32,
    "InceptionV3": 75,
    "VGG16": 32,
}
NETWORKS = {
    "naive_cnn": ("naive_cnn", COMMON),
    "transfer_end_to_end": ("transfer_end_to_end", END_TO_END),
    "transfer_bottleneck": ("transfer_bottleneck", BOTTLENECK),
    **{name: ("from_scratch", {**FROM_SCRATCH, "architecture": name}) for name in ARCHITECTURES},
}


def refusal(build):
    """The message with which something is refused; empty where it is built."""
    try:
        build()
    except ProjectError as error:
        return error.message
    return ""


def build_network(name, size):
    approach, block = NETWORKS[name]
    base = None
    if approach.startswith("transfer"):
        base = without_weights(lambda: build(source_cnn(), size, 3))
    dry_build(approach, block, (size, size, 3), base)


def source_cnn():
    return backbone(name="source_cnn", weights="generated", kwargs={})


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "lenet5_original"])
def test_a_network_takes_images_of_its_least_size_and_names_it_for_smaller_ones(name):
    least = LEAST.get(name, 8)
    assert refusal(lambda: build_network(name, least)) == ""
    if least > 8:
        size = f"{least - 1}×{least - 1}×3"
        message = f"Images of {size} are too small for {name}. Set ingestion.image_size to at least {least}."
        assert refusal(lambda: build_network(name, least - 1)) == message


@pytest.mark.parametrize("size", [11, 16, 32])
def test_the_original_lenet5_takes_images_of_32_or_28_pixels_alone(size):
    message = refusal(lambda: build_network("lenet5_original", size))
    assert (message == "") == (size == 32)
    assert not message or "takes images of 32×32, or of 28×28" in message


@pytest.mark.slow
@pytest.mark.parametrize("name", ["VGG16", "InceptionV3", "MobileNetV2"])
def test_a_base_takes_small_images_or_names_the_least_size(tmp_path, name):
    import keras

    weights = tmp_path / "random.weights.h5"
    getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(96, 96, 3)).save_weights(weights)
    least = LEAST.get(name, 8)
    wanted = backbone(name=name, weights=str(weights), kwargs={})
    message = refusal(lambda: without_weights(lambda: build(wanted, least - 1, 3)))
    assert message.endswith(f"too small for {name}. Set ingestion.image_size to at least {least}.") or least == 8
    assert without_weights(lambda: build(wanted, least, 3)).output_shape[1:3] == (1, 1)


def test_a_network_that_no_machine_holds_is_refused():
    message = refusal(lambda: build_network("naive_cnn", 4096))
    assert re.fullmatch(
        r"naive_cnn has [\d,]+ parameters for images of 4096×4096×3, which take [\d,]+ GiB; this machine "
        r"has \d+ GiB\. Lower ingestion\.image_size, or choose a smaller network\.",
        message,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        (
            {"batch_size": 10**7},
            r"A layer of transfer_end_to_end and its input, for 10000000 images of 64×64×3 at once, take [\d,]+ GiB; "
            r"this machine has \d+ GiB\. Lower transfer_end_to_end\.batch_size or ingestion\.image_size\.",
        ),
    ],
)
def test_a_batch_that_no_machine_holds_is_refused(changes, message):
    values = parameters()
    values["transfer_end_to_end"] |= changes
    made = {"backbone", "transfer_end_to_end.model"}
    assert re.fullmatch(message, refusal(lambda: refuse_unbuildable(made, values)))


@pytest.mark.parametrize(
    ("group", "changes", "message"),
    [
        ("backbone", {"name": "VGG61", "weights": "imagenet"}, "'VGG61' is unknown"),
        ("backbone", {"name": "VGG16", "weights": "none.h5"}, "there is no file"),
        ("backbone", {"name": "MobileNetV2", "weights": "imagenet", "kwargs": {"beta": 1}}, "can't be built"),
        ("transfer_end_to_end", {"unfreeze_from": "block9"}, "'block9' isn't a layer of source_cnn. Its layers: image"),
    ],
)
def test_a_base_that_cannot_be_built_is_refused_with_the_run(group, changes, message):
    values = parameters()
    values[group] |= changes
    made = {"backbone", "transfer_end_to_end.model"}
    with pytest.raises(BackboneError, match=message):
        refuse_unbuildable(made, values)
    refuse_unbuildable({"images"}, values)


def test_more_devices_than_there_are_are_refused_where_the_run_trains():
    values = parameters()
    values["compute"] |= {"devices": 99}
    refuse_unbuildable({"images"}, values)
    with pytest.raises(ParameterError, match=r"^compute\.devices is 99"):
        refuse_unbuildable({"images", "naive_cnn.training_inputs"}, values)


@pytest.mark.slow
def test_a_run_with_images_that_are_too_small_ends_in_one_line_before_it_decodes_any(tmp_path):
    project = copy_project(tmp_path / "project")
    result = kedro(
        project, "run", "--env=test", "--params=ingestion.image_size=16", check=False, DOGS_VS_CATS_TRACKING="off"
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    assert result.stderr.splitlines()[-1] == (
        "Error: Images of 16×16×3 are too small for naive_cnn. Set ingestion.image_size to at least 22."
    )
    assert not (project / "data/02_intermediate/test/images.npy").exists()


def test_a_choice_that_cannot_be_built_is_refused_before_any_trial(tmp_path):
    from tests.training.test_tuning import search, tuning

    space = {"transfer_end_to_end": {"unfreeze_from": {"choices": [None, "block9"]}}}
    wanted = tuning("transfer_end_to_end", search_space=space)
    with pytest.raises(BackboneError, match=r"'block9' isn't a layer of base\. Its layers: c"):
        search(tmp_path, wanted, END_TO_END, runs=["transfer_end_to_end"])
    assert not list(tmp_path.iterdir())
