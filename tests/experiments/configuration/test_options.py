"""The building blocks of a typed configuration: what each kind of value accepts, and one line for a mistake."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from experiments.configuration.options import (
    Count,
    DataOptions,
    Epochs,
    Folder,
    Names,
    NonNegativeInteger,
    Options,
    Positive,
    Share,
    accepted,
    first_mistake,
)


class Inner(Options):
    rate: Positive
    part: Share = 0.0


class Outer(Options):
    count: Count
    inner: Inner
    seed: NonNegativeInteger = 0
    root: Folder | None = None
    kind: Literal["a", "b"] | None = None
    sets: Names | None = None
    milestones: Epochs | None = None
    side: Annotated[int, Field(ge=2, le=4)] = 2


GOOD = {"count": 1, "inner": {"rate": 0.1}}


def answer(prefix="", **changes):
    """The message about the first mistake in changed options; a change to None takes the key out."""
    values = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    return str(first_mistake(caught.value, Outer, values, prefix))


@pytest.mark.parametrize("value", [True, "3", 2.0, 0])
def test_a_count_is_an_integer_from_1_and_nothing_that_looks_like_one(value):
    assert answer(count=value).endswith("accepted: an integer ≥ 1")


@pytest.mark.parametrize("value", [float("inf"), float("nan"), True, "0.1", 0.0])
def test_a_rate_is_a_finite_number_above_0(value):
    assert answer(inner={"rate": value}).endswith("accepted: a number > 0")


def test_a_share_ends_before_1():
    assert Inner(rate=1.0, part=0.999).part == 0.999
    assert answer(inner={"rate": 1.0, "part": 1.0}) == "inner.part=1.0 is not accepted; accepted: a number ≥ 0 and < 1"


@pytest.mark.parametrize("epochs", [[2.0, 1.0], [1.0, 1.0], [0.0]])
def test_milestones_rise(epochs):
    assert Outer(**GOOD, milestones=[0.5, 1.0, 7.0]).milestones == [0.5, 1.0, 7.0]
    assert "milestones" in answer(milestones=epochs)


@pytest.mark.parametrize("names", [["a", "a"], [""]])
def test_names_are_different_and_not_empty(names):
    assert "sets" in answer(sets=names)


def test_options_cannot_be_changed():
    options = Outer(**GOOD)
    with pytest.raises(ValidationError, match="frozen"):
        options.count = 2


def test_a_mistake_is_named_by_its_whole_key():
    assert answer("data", inner={"rate": -1}) == "data.inner.rate=-1 is not accepted; accepted: a number > 0"


def test_an_unknown_key_is_answered_with_the_closest_key():
    assert answer("data", inner={"rate": 1.0, "prt": 0.1}).startswith(
        "unknown key 'data.inner.prt'; did you mean data.inner.part"
    )


def test_a_missing_key_is_named_with_what_it_accepts():
    assert answer(count=None) == "count is missing; accepted: an integer ≥ 1"
    assert answer("data", inner={}) == "data.inner.rate is missing; accepted: a number > 0"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("root", "the path of a folder or null"),
        ("kind", "a, b or null"),
        ("side", "an integer ≥ 2 and ≤ 4"),
        ("inner", "the keys rate, part"),
    ],
)
def test_what_is_accepted_is_said_in_words(key, words):
    assert accepted(Outer.model_fields[key]) == words


def test_a_data_set_has_no_validation_part_unless_it_says_so():
    assert DataOptions(name="a", source="b").validation_keys() == {}
