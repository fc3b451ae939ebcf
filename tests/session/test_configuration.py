"""Every parameter of every environment, with every wrong value there is: refused by name before anything runs.

The parameters are found in the schema and the parameter files, so that a new one is tested without a word here.
"""

import re
import types
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial, reduce
from operator import ne
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.parameter_schema import check, root_schema
from dogs_vs_cats.parameters.base import ParameterGroup
from tests.parameters.test_parameters import CONF
from tests.parameters.test_parameters import parameters as environment_parameters

ENVIRONMENTS = sorted(path.name for path in CONF.iterdir() if (path / "globals.yml").is_file())

# Few examples of each, as there are hundreds of parameters; the same ones in every run.
few = settings(max_examples=8, derandomize=True, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Leaf:
    """One parameter in one environment.

    Attributes:
        environment: Name of the environment.
        path: Names from the root to it.
        field: Its declaration.
    """

    environment: str
    path: tuple[str, ...]
    field: FieldInfo

    @property
    def name(self) -> str:
        return ".".join(self.path)

    def __str__(self) -> str:
        return f"{self.environment}:{self.name}"


@cache
def of_environment(environment: str) -> dict[str, Any]:
    return environment_parameters(environment)


def group_in(annotation: Any) -> type[ParameterGroup] | None:
    """The group of parameters that a declaration stands for, if it does."""
    members = [annotation, *get_args(annotation)]
    return next((member for member in members if isinstance(member, type) and issubclass(member, ParameterGroup)), None)


def leaves_below(environment: str, group: type[ParameterGroup], values: Mapping[str, Any], path: tuple[str, ...]):
    for name, field in group.model_fields.items():
        inner = group_in(field.annotation)
        if inner is not None and isinstance(values.get(name), Mapping):
            yield from leaves_below(environment, inner, values[name], (*path, name))
        elif name in values:
            yield Leaf(environment, (*path, name), field)


def all_leaves() -> list[Leaf]:
    """Every parameter once, in the first environment that has it."""
    found: dict[str, Leaf] = {}
    for environment in ("base", *ENVIRONMENTS):
        values = of_environment(environment)
        for leaf in leaves_below(environment, root_schema(values), values, ()):
            found.setdefault(leaf.name, leaf)
    return list(found.values())


LEAVES = all_leaves()


def changed(leaf: Leaf, change: Any) -> dict[str, Any]:
    """The environment's parameters after a change to the group that the leaf is in."""
    values = deepcopy(of_environment(leaf.environment))
    change(reduce(lambda group, name: group[name], leaf.path[:-1], values), leaf.path[-1])
    return values


def refusal(values: Mapping[str, Any]) -> str:
    with pytest.raises(ParameterError) as caught:
        check(values)
    message = caught.value.message
    assert re.match(r"(1 parameter is|\d+ parameters are) wrong, and nothing was run:\n  - ", message)
    return message


def refuses(leaf: Leaf, value: object) -> None:
    """A wrong value is told by the parameter's name, what is allowed and what was given."""

    def give(group: dict[str, Any], name: str) -> None:
        group[name] = value

    lines = refusal(changed(leaf, give)).splitlines()[1:]
    told = [line for line in lines if re.match(rf"  - {re.escape(leaf.name)}[:.]", line)]
    assert told, lines
    for line in told:
        rest = line.partition(": ")[2]
        if "there is no such parameter" not in rest and "is missing" not in rest:
            assert "given was " in rest or repr(value)[1:-1] in rest, line
            assert len(rest.partition("; given was")[0]) > 5, line
    if not isinstance(value, list | dict):
        assert any(repr(value) in line for line in told), (value, told)


# --- wrong types ----------------------------------------------------------------------------------------------------

KINDS: dict[type, st.SearchStrategy[Any]] = {
    type(None): st.none(),
    bool: st.booleans(),
    int: st.integers(-(10**12), 10**12),
    float: st.floats(allow_nan=True, allow_infinity=True),
    str: st.text(max_size=20).filter(lambda text: "\n" not in text),
    list: st.lists(st.integers() | st.text(max_size=3), max_size=3),
    dict: st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
}


def kinds_of(annotation: Any) -> set[type]:
    """The kinds of YAML values that a declaration allows."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return kinds_of(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return set().union(*map(kinds_of, get_args(annotation)))
    if origin is Literal:
        return {type(value) for value in get_args(annotation)}
    if annotation is Any:
        return set(KINDS)
    kind = origin or annotation
    if isinstance(kind, type) and issubclass(kind, ParameterGroup):
        return {dict}
    return {float, int} if kind is float else {kind}


def test_the_parameters_are_found():
    assert len(LEAVES) > 80
    assert {"seed", "ingestion.max_pixels", "backbone.source_task.epochs", "lenet5.epochs"} <= {
        leaf.name for leaf in LEAVES
    }
    for leaf in LEAVES:
        assert kinds_of(leaf.field.annotation) <= set(KINDS), f"{leaf}: teach kinds_of its declaration"


@pytest.mark.parametrize("leaf", LEAVES, ids=str)
@few
@given(data=st.data())
def test_a_wrong_type(leaf, data):
    wrong = sorted(set(KINDS) - kinds_of(leaf.field.annotation), key=str)
    kind = data.draw(st.sampled_from(wrong))
    refuses(leaf, data.draw(KINDS[kind]))


# --- out of range ---------------------------------------------------------------------------------------------------


def wrong_values(annotation: Any, metadata: tuple[Any, ...] = ()) -> Iterator[st.SearchStrategy[Any]]:
    """Strategies of values of the right kind that the declaration's limits exclude."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        yield from wrong_values(inner, (*metadata, *more))
    elif origin in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            yield from wrong_values(members[0], metadata)
    elif origin is Literal:
        options = get_args(annotation)
        if all(isinstance(option, str) for option in options):
            yield KINDS[str].filter(lambda text: text not in options)
        else:
            yield KINDS[int].filter(lambda number: number not in options)
    elif annotation in (int, float):
        if annotation is float:
            yield st.sampled_from([float("nan"), float("inf"), float("-inf")])
        yield from beyond(annotation, flat(metadata))
    elif annotation is str:
        for limit in flat(metadata):
            pattern = getattr(limit, "pattern", None)
            if pattern is not None:
                yield KINDS[str].filter(partial(without, pattern))
            if isinstance(limit, annotated_types.MinLen) and limit.min_length:
                yield st.just("")
    elif origin is list:
        (item,) = get_args(annotation)
        for limit in flat(metadata):
            if isinstance(limit, annotated_types.MinLen) and limit.min_length:
                yield st.just([])
        length = next((limit.min_length for limit in flat(metadata) if isinstance(limit, annotated_types.MinLen)), 1)
        for wrong in wrong_values(item):
            yield st.lists(wrong, min_size=max(1, length), max_size=max(1, length))


def without(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is None


def flat(metadata: tuple[Any, ...]) -> list[Any]:
    """Limits, those inside of pydantic's fields included."""
    found: list[Any] = []
    for limit in metadata:
        found += flat(tuple(limit.metadata)) if isinstance(limit, FieldInfo) else [limit]
    return found


def beyond(kind: type, limits: list[Any]) -> Iterator[st.SearchStrategy[Any]]:
    numbers: Callable[..., st.SearchStrategy[Any]] = st.integers if kind is int else st.floats
    options = {} if kind is int else {"allow_nan": False, "allow_infinity": False}
    for limit in limits:
        if isinstance(limit, annotated_types.Ge):
            yield numbers(max_value=limit.ge, **options).filter(partial(ne, limit.ge))
        if isinstance(limit, annotated_types.Gt):
            yield numbers(max_value=limit.gt, **options)
        if isinstance(limit, annotated_types.Le):
            yield numbers(min_value=limit.le, **options).filter(partial(ne, limit.le))
        if isinstance(limit, annotated_types.Lt):
            yield numbers(min_value=limit.lt, **options)


def out_of_range(leaf: Leaf) -> list[st.SearchStrategy[Any]]:
    return list(wrong_values(leaf.field.annotation, tuple(leaf.field.metadata)))


LIMITED = [leaf for leaf in LEAVES if out_of_range(leaf)]


def test_most_parameters_have_limits():
    assert len(LIMITED) > len(LEAVES) / 2


@pytest.mark.parametrize("leaf", LIMITED, ids=str)
@few
@given(data=st.data())
def test_out_of_range(leaf, data):
    refuses(leaf, data.draw(data.draw(st.sampled_from(out_of_range(leaf)))))


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leaf", LEAVES, ids=str)
@few
@given(data=st.data())
def test_a_misspelt_name(leaf, data):
    name = leaf.path[-1]
    place = data.draw(st.integers(0, len(name) - 1))
    misspelt = data.draw(
        st.sampled_from(
            [
                name[:place] + name[place + 1 :],
                name[:place] + name[place] * 2 + name[place + 1 :],
                name[:place] + "x" + name[place + 1 :],
                name.replace("_", "-"),
                name.upper(),
                f"{name} ",
            ]
        )
    )
    siblings = reduce(lambda group, part: group[part], leaf.path[:-1], of_environment(leaf.environment))
    assume(misspelt not in siblings and misspelt)

    def rename(group: dict[str, Any], name: str) -> None:
        group[misspelt] = group.pop(name)

    message = refusal(changed(leaf, rename))
    wrong = ".".join([*leaf.path[:-1], misspelt if misspelt.isidentifier() else repr(misspelt)])
    (line,) = [line for line in message.splitlines() if line.startswith(f"  - {wrong}: there is no such parameter; ")]
    assert "did you mean" in line or leaf.path[-1] in line
    if misspelt != name.upper():
        assert f"did you mean {name}?" in line


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if leaf.field.is_required()], ids=str)
def test_a_missing_parameter(leaf):
    message = refusal(changed(leaf, lambda group, name: group.pop(name)))
    (line,) = [line for line in message.splitlines() if line.startswith(f"  - {leaf.name}: is missing")]
    assert len(line.partition("is missing; ")[2]) > 5


# --- whole groups ---------------------------------------------------------------------------------------------------

GROUPS = [
    name
    for name, field in root_schema(of_environment("base")).model_fields.items()
    if group_in(field.annotation) and name in of_environment("base")
]


@pytest.mark.parametrize("group", GROUPS)
@few
@given(value=st.one_of(*KINDS.values()))
def test_a_group_that_is_none(group, value):
    values = deepcopy(of_environment("base"))
    assert f"\n  - {group}" in refusal({**values, group: value})
    del values[group]
    if root_schema(values).model_fields[group].is_required() or group in values["approaches"]:
        assert f"\n  - {group}: " in refusal(values)
    else:  # the block of an approach that isn't run
        check(values)


@few
@given(st.one_of(*KINDS.values()), st.one_of(st.integers(), st.booleans(), st.none(), st.text(max_size=9)))
def test_names_that_are_none(value, name):
    values = deepcopy(of_environment("base"))
    assume(name not in values and name not in root_schema(values).model_fields)
    refusal({**values, name: value})
    values["naive_cnn"][name] = value
    assert "naive_cnn" in refusal(values)
