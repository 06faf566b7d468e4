"""Values of variables: written out, computed by a command, chosen by a condition, or secret."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from prodigy.workflow.fields import Model


class SecretSource(Model):
    """Where a secret's text is read from, each time a run starts or goes on; it is never stored."""

    provider: Literal["env", "file"]
    """``env``: a variable of prodigy's own environment. ``file``: a file."""
    key: Annotated[str, Field(min_length=1)]
    """The variable's name, or the file's path."""


class EnvValue(Model):
    """What one variable stands for. Exactly one of its forms is set."""

    text: str | None = None
    """Plain text; it may hold placeholders where it is a step's, or a template."""
    template: bool = False
    """Whether the text of a file's variable still holds placeholders when a run starts."""
    command: str | None = None
    """Shell text whose output is the value; it runs in a sandbox of its own."""
    cache: bool = False
    """Whether the command runs once for the whole run, or once for each sandbox."""
    condition: str | None = None
    """An expression that chooses between the two texts below."""
    when_true: str = ""
    """The value where the condition holds."""
    when_false: str = ""
    """The value where it does not."""
    secret: SecretSource | None = None
    """A value that is masked wherever it would be shown."""


class EnvFile(Model):
    """A file of `NAME=VALUE` lines."""

    path: Annotated[str, Field(min_length=1)]
    """Relative to the workflow file; it may hold variables."""
    required: bool = False
    """Whether the run fails where there is no such file."""
