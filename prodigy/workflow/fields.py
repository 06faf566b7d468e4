"""The kinds of values that settings of a workflow file have, and what all its models share."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from prodigy.values import Frozen
from prodigy.workflow.quantities import parse_duration, parse_size


class Resolvable(NamedTuple):
    """Marks a setting that may also be one ``$NAME``, resolved when the file is loaded."""

    name: str = "env"


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(gt=0),
    WithJsonSchema({"x-kind": "duration"}),
]
Size = Annotated[int, BeforeValidator(parse_size), Field(ge=1), WithJsonSchema({"x-kind": "size"})]
Name = Annotated[str, Field(max_length=100, min_length=1)]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Model(Frozen):
    """A part of a workflow. The docstring under a field is its documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
