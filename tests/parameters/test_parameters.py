"""Every wrong parameter is refused before anything runs, by a message that names it."""

from copy import deepcopy
from pathlib import Path

import pytest

from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.parameter_schema import check
from dogs_vs_cats.session.config_loader import ConfigLoader

CONF = Path(__file__).parents[2] / "conf"


def parameters(environment="base"):
    loader = ConfigLoader(str(CONF), base_env="base", env=environment, merge_strategy={"parameters": "soft"})
    return deepcopy(loader["parameters"])


def refused(values):
    with pytest.raises(ParameterError) as caught:
        check(values)
    return caught.value.message


@pytest.mark.parametrize(
    "environment", sorted(path.name for path in CONF.iterdir() if (path / "globals.yml").is_file())
)
def test_every_environment_passes(environment):
    check(parameters(environment))


def test_a_misspelt_parameter_names_its_likely_neighbour():
    values = parameters()
    values["naive_cnn"]["learning_rat"] = 0.1
    assert "naive_cnn.learning_rat: there is no such parameter; did you mean learning_rate?" in refused(values)


def test_a_misspelt_group_is_refused():
    values = parameters()
    values["ingestoin"] = {"source": "x"}
    assert "ingestoin: there is no such parameter; did you mean ingestion?" in refused(values)


def test_a_missing_parameter_is_named():
    values = parameters()
    del values["ingestion"]["image_size"]
    assert "ingestion.image_size: is missing" in refused(values)


@pytest.mark.parametrize(
    ("group", "name", "value", "allowed"),
    [
        ("naive_cnn", "epochs", 0, "greater than 0"),
        ("naive_cnn", "epochs", "ten", "valid integer"),
        ("naive_cnn", "epochs", 2.5, "integer"),
        ("naive_cnn", "learning_rate", -0.1, "greater than 0"),
        ("naive_cnn", "optimizer", "adamm", "'adam'"),
        ("naive_cnn", "augment", "yes", "valid boolean"),
        ("naive_cnn", "seeds", [1, 1], "differ"),
        ("ingestion", "channels", 2, "1 or 3"),
        ("ingestion", "train_size", 0, "greater than"),
        ("ingestion", "sha256", "abc", "pattern"),
        ("backbone", "preprocessing", "none", "'own' or 'rescale'"),
        ("compute", "precision", "float16", "'auto', 'float32' or 'mixed_bfloat16'"),
        ("transfer_bottleneck", "augment", True, "nothing to augment"),
        ("transfer_bottleneck", "dropout", 1.0, "less than 1"),
    ],
)
def test_a_wrong_value_says_what_was_given_and_what_is_allowed(group, name, value, allowed):
    values = parameters()
    values[group][name] = value
    message = refused(values)
    assert f"{group}.{name}: " in message
    assert allowed in message
    assert f"given was {value!r}" in message
    assert message.startswith("1 parameter is wrong")


def test_all_wrong_parameters_are_told_at_once():
    values = parameters()
    values["naive_cnn"]["epochs"] = 0
    values["backbone"]["name"] = 7
    message = refused(values)
    assert message.startswith("2 parameters are wrong, and nothing was run:")
    assert "naive_cnn.epochs" in message
    assert "backbone.name" in message


def test_an_unknown_approach_and_a_missing_block_are_told():
    values = parameters()
    values["approaches"] = ["naive_cnn", "perceptron"]
    message = refused(values)
    assert message.startswith("1 parameter is wrong")
    assert "perceptron: is missing; it should be one of the approaches from_scratch, naive_cnn" in message
    values = parameters()
    del values["naive_cnn"]
    assert "naive_cnn: is missing; input should be a block of named parameters" in refused(values)


@pytest.mark.parametrize("name", ["compute", "seed", "a b", "a.b", "../a"])
def test_an_approach_has_a_name_of_its_own_that_files_can_have(name):
    values = parameters()
    variant = {**values["naive_cnn"], "approach": "naive_cnn"}
    message = refused({name: variant, **values, "approaches": [name]})
    assert message.startswith("1 parameter is wrong, and nothing was run:\n  - approaches")


def test_a_figure_of_a_lecture_for_an_approach_that_is_not_there_is_refused():
    values = parameters("lecture")
    values["comparison"]["lecture"]["naive_cn"] = {"epochs": 2}
    assert "comparison.lecture: there is no approach 'naive_cn'" in refused(values)


def test_a_variant_with_another_pooling_than_the_features_is_refused():
    values = parameters()
    variant = {**values["transfer_bottleneck"], "approach": "transfer_bottleneck"}
    values |= {"approaches": ["transfer_bottleneck", "wide"], "wide": {**variant, "dense_units": 64}}
    check(values)
    other = "avg" if variant["pooling"] == "flatten" else "flatten"
    message = refused({**values, "wide": {**variant, "pooling": other}})
    assert f"wide.pooling: {other!r} differs from transfer_bottleneck.pooling" in message
    assert f"set it to {variant['pooling']!r}" in message


@pytest.mark.parametrize(
    ("split", "sizes", "sum_shown"),
    [
        ("random", (0.7, 0.15, 0.15), ""),
        ("random", (0.9, 0.2, 0.2), "train_size, ingestion.validation_size, ingestion.test_size: 0.9 + 0.2 + 0.2"),
        ("random", (0.9, 100, 0.2), "train_size, ingestion.test_size: 0.9 + 0.2"),
        ("official", (0.8, 0.2, 0.9), ""),
        ("auto", (0.9, 0.2, 0.9), "train_size, ingestion.validation_size: 0.9 + 0.2"),
    ],
)
def test_fractions_of_more_than_all_images_are_refused(split, sizes, sum_shown):
    values = parameters()
    names = ("train_size", "validation_size", "test_size")
    values["ingestion"] |= {"split": split, **dict(zip(names, sizes, strict=True))}
    if sum_shown:
        assert f"ingestion.{sum_shown} is more than 1, the whole of the images; lower one of them" in refused(values)
    else:
        check(values)


def test_the_approach_to_explain_may_be_named():
    values = parameters()
    values["explanation"]["approach"] = "naive_cnn"
    check(values)


def test_folds_without_an_approach_that_uses_them_are_refused():
    values = parameters()
    values["ingestion"]["folds"] = 5
    check(values)
    values["approaches"] = ["naive_cnn", "transfer_end_to_end"]
    message = refused(values)
    assert "ingestion.folds: 5 cross-validates feature-based approaches alone, and approaches (naive_cnn, " in message
    assert (
        "transfer_end_to_end) has none; set it to null and give an approach several seeds with redraw_split" in message
    )
    values["ingestion"]["folds"] = "auto"
    check(values)


def test_a_misspelt_name_deep_inside_a_table_of_names_names_its_neighbour():
    values = parameters("lecture")
    values["comparison"]["lecture"]["naive_cnn"]["train_accurcy"] = 0.7
    assert "comparison.lecture.naive_cnn.train_accurcy: there is no such parameter; did you mean train_accuracy?" in (
        refused(values)
    )
    values = parameters()
    values["tuning"]["search_space"]["naive_cnn"] = {"dropout": {"choises": [1, 2]}}
    assert "choises: there is no such parameter; did you mean choices?" in refused(values)
