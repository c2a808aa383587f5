"""Building blocks of a typed configuration: the strict base class, kinds of values, errors.

Every rule is in an annotation, from which error messages derive what is accepted.
"""

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from experiments.configuration.composition import SHOW_KEYS, flatten, literal
from experiments.errors import BadInput, unknown


class Options(BaseModel):
    """A part of the configuration: it has exactly its keys, and each value has the annotated type.

    `true` is not a number, `"3"` is not an integer, and infinity and nan are rejected. Rules about several keys are
    methods with `pydantic.model_validator(mode="after")`; they raise `BadInput` themselves.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=())


def _different(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("a name is given twice")
    return names


def _rising(numbers: list[float]) -> list[float]:
    if numbers != sorted(set(numbers)):
        raise ValueError("the numbers do not rise")
    return numbers


LARGEST = 1_000_000_000
"""What no setting exceeds, so that no product of two of them overflows; a message mentions it only beyond it."""

Count = Annotated[int, Field(ge=1, le=LARGEST)]
NonNegativeInteger = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[float, Field(gt=0, le=LARGEST)]
NonNegative = Annotated[float, Field(ge=0, le=LARGEST)]
Depth = Annotated[int, Field(ge=1, le=1000)]
"""How many layers or blocks a model has."""
Share = Annotated[float, Field(ge=0, lt=1)]
"""A probability or a part of a whole, in [0, 1)."""
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Name = Annotated[Text, Field(description="a name")]
Folder = Annotated[Text, Field(description="the path of a folder")]
PathName = Annotated[Text, Field(description="the path of a file or folder")]
HubName = Annotated[Text, Field(description="a folder or a hub name")]
Epochs = Annotated[list[Positive], AfterValidator(_rising)]
Names = Annotated[list[Text], AfterValidator(_different)]


class TaskOptions(Options):
    """`task.*`; a task adds its own keys."""

    name: Name
    package: Annotated[Text, Field(description="the Python package of a task")]


class DataOptions(Options):
    """`data.*`; a data set adds its own keys."""

    name: Name
    source: Name

    def locations(self) -> tuple[str, ...]:
        """Keys, dotted, that say where data is and nothing else; not of a run's identity, which has its content."""
        return ()

    def validation_keys(self) -> dict[str, bool]:
        """The keys that can define the evaluation set "validation" → whether they do. By default there are none."""
        return {}


class ModelOptions(Options):
    """`model.*`; a model adds its own keys, which are the arguments of its constructor."""

    name: Name
    architecture: Name


def first_mistake(
    error: ValidationError, model: type[BaseModel], values: Mapping[str, Any], prefix: str = ""
) -> BadInput:
    """The first mistake that pydantic found in `values`, as a one-line error.

    Args:
        error: the exception of pydantic.
        model: the class that `values` were checked against.
        values: the given values.
        prefix: the key of `values` in the whole configuration.
    """
    found = error.errors()[0]
    path, field, value = _owner(found["loc"], model, values)
    key = ".".join([prefix, *path]).strip(".")
    if found["type"] == "extra_forbidden":
        known = [f"{prefix}.{name}".strip(".") for name in (*_keys_of(model), *flatten(dict(values)))]
        return unknown("key", key, sorted({*known} - {key}), SHOW_KEYS)
    if found["type"] == "missing":
        return BadInput(f"{key} is missing; accepted: {accepted(field)}")
    limit = f", up to {LARGEST}" if found.get("ctx", {}).get("le") == LARGEST else ""
    return BadInput(f"{key}={_shown(value)} is not accepted; accepted: {accepted(field)}{limit}")


def in_range(value: object) -> bool:
    """Whether all numbers in a value are finite and at most `LARGEST` in size."""
    if isinstance(value, dict | list):
        return all(map(in_range, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int | float) or abs(value) <= LARGEST  # not true of nan


_LONGEST_SHOWN = 500
"""Characters of a value that a message quotes."""


def _shown(value: object) -> str:
    text = literal(value) if isinstance(value, str | int | float | list | dict | None) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _owner(place: tuple[str | int, ...], model: type[BaseModel], value: Any) -> tuple[list[str], FieldInfo | None, Any]:
    """The path to a mistake, as far as it follows keys of models, with the field and value at its end."""
    path: list[str] = []
    field = None
    for name in place:
        path.append(str(name))
        if name not in model.model_fields:
            return path, None, None
        field = model.model_fields[name]
        value = value.get(name) if isinstance(value, Mapping) else None
        if not _is_model(field.annotation):
            break
        model = field.annotation
    return path, field, value


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _keys_of(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if _is_model(field.annotation):
            yield from (f"{name}.{key}" for key in _keys_of(field.annotation))
        else:
            yield name


def accepted(field: FieldInfo | None) -> str:
    """The accepted values of a key, in words derived from its annotation."""
    if field is None:
        return SHOW_KEYS
    annotation = field.annotation
    if field.description:
        return field.description + (" or null" if _optional(annotation) and "null" not in field.description else "")
    return _words(annotation, field.metadata)


def _optional(annotation: object) -> bool:
    return type(None) in get_args(annotation)


def _words(annotation: object, metadata: list[object]) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        own = [each for item in arguments[1:] for each in (item.metadata if isinstance(item, FieldInfo) else [item])]
        described = [item.description for item in arguments[1:] if isinstance(item, FieldInfo) and item.description]
        return described[-1] if described else _words(arguments[0], [*own, *metadata])
    if origin in (Union, types.UnionType):
        words = [_words(each, metadata) for each in arguments if each is not type(None)]
        return " or ".join([*words, *(["null"] if type(None) in arguments else [])])
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if _is_model(annotation):
        return f"the keys {', '.join(annotation.model_fields)}"
    if origin is list:
        return f"a list, each {_words(arguments[0], [])}"
    names = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}
    return names.get(annotation, "a value") + _bounds(metadata)


_SIGNS = {annotated_types.Ge: ("≥", "ge"), annotated_types.Gt: (">", "gt"), annotated_types.Le: ("≤", "le")}
_SIGNS[annotated_types.Lt] = ("<", "lt")


def _bounds(metadata: list[object]) -> str:
    usual = annotated_types.Le(LARGEST)
    signs = ((_SIGNS[type(each)], each) for each in metadata if type(each) in _SIGNS and each != usual)
    bounds = " and ".join(f"{sign} {getattr(each, name)}" for (sign, name), each in signs)
    return f" {bounds}" if bounds else ""
