"""The variables of a run's processes: from files, from the workflow, computed, and secret."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prodigy.errors import EnvironmentUnavailable, PolicyViolation, ProdigyError, UsageError
from prodigy.masking import SHORTEST, Masker
from prodigy.run.credentials import known_secrets
from prodigy.run.names import ScopeNames
from prodigy.workflow.env_file import parse_env_file
from prodigy.workflow.expression_nodes import ExpressionError
from prodigy.workflow.expressions import parse_expression
from prodigy.workflow.globs import match_glob
from prodigy.workflow.render import render_plain
from prodigy.workflow.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prodigy.workflow.env_value import EnvFile, EnvValue, SecretSource
    from prodigy.workflow.models import Workflow

_MAX_VALUE = 100 * 1024
_MAX_FILE = 1 << 20


@dataclass(slots=True)
class Variables:
    """All variables of a run, secrets apart. Values that commands compute come with each phase."""

    flow: Workflow
    files: dict[str, str] = field(default_factory=dict)
    """From files of variables."""
    secrets: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    branch: str = ""
    masker: Masker = field(default_factory=Masker)
    extra: dict[str, str] = field(default_factory=dict)
    """Variables of the command line: ``ARG`` and its kin."""
    _cached: dict[str, str] = field(default_factory=dict)

    @property
    def computes(self) -> bool:
        """Whether any value needs a sandbox."""
        return any(value.command is not None for value in self.flow.env.values())

    def values(
        self, compute: Callable[[str, EnvValue, Mapping[str, str]], str] | None = None
    ) -> dict[str, str]:
        """Return every variable that is no secret, in the order of the file.

        ``compute`` runs a value's command, with the variables before it. Raises StepError, ProdigyError.
        """
        found = dict(self.files) | self.extra
        for name, value in self.flow.env.items():
            found[name] = self._value(name, value, found, compute)
            if len(found[name].encode(errors="surrogateescape")) > _MAX_VALUE:
                raise ProdigyError(f"variable {name}: its value is longer than 100 KiB")
        return found

    def _value(
        self,
        name: str,
        value: EnvValue,
        found: Mapping[str, str],
        compute: Callable[[str, EnvValue, Mapping[str, str]], str] | None,
    ) -> str:
        if value.text is not None:
            return render_plain(value.text, Scope(exported=found)) if value.template else value.text
        if value.condition is not None:
            return self._chosen(name, value, found)
        if value.command is None:
            return ""  # a secret: it has no place among the values that may be shown
        if value.cache and name in self._cached:
            return self._cached[name]
        text = compute(name, value, found) if compute else ""
        if value.cache and compute:
            self._cached[name] = text
        return text

    def _chosen(self, name: str, value: EnvValue, found: Mapping[str, str]) -> str:
        scope = Scope({"git": {"branch": self.branch}}, found).with_environment(os.environ)
        try:
            holds = parse_expression(str(value.condition)).holds(ScopeNames(scope))
        except ExpressionError as error:
            raise ProdigyError(f"variable {name}: its condition fails: {error}") from error
        return render_plain(value.when_true if holds else value.when_false, Scope(exported=found))

    def read_secret(self, provider: str, key: str) -> str:
        """Return a secret that a step names; it was read and checked when the run began."""
        return self.secrets[f"{provider}:{key}"]

    @property
    def shown_to_all(self) -> dict[str, str]:
        """The secrets that every process sees as variables."""
        return {name: text for name, text in self.secrets.items() if ":" not in name}

    def remember(self, values: Mapping[str, str]) -> None:
        """Take over values that were computed once, by an earlier process."""
        self._cached.update(values)

    @property
    def computed(self) -> dict[str, str]:
        """The values that are computed once for the whole run."""
        return dict(self._cached)


def read_variables(
    flow: Workflow, workflow_file: Path, repository: Path, allowed_files: Sequence[str], branch: str = ""
) -> Variables:
    """Read files and secrets before anything starts.

    Raises UsageError for a malformed file, PolicyViolation for one outside the repository that the
    machine's policy does not name, EnvironmentUnavailable for a secret or required file that is absent.
    """
    reader = _Files(workflow_file, repository, allowed_files)
    found = Variables(flow, branch=branch)
    static = {name: value.text for name, value in flow.env.items() if value.text and not value.template}
    for file in flow.env_files:
        found.files |= _read_env_file(reader, file, static | found.files, found.notes)
    sources = dict(flow.secrets)
    sources |= {name: value.secret for name, value in flow.env.items() if value.secret is not None}
    for step in flow.steps():
        named = [value.secret for value in step.env.values() if value.secret is not None]
        sources |= {f"{one.provider}:{one.key}": one for one in named}
    missing = []
    for name, source in sources.items():
        text = _read_secret(reader, source, found.files)
        if not text:
            missing.append(name.partition(":")[2] or name)
        elif len(text) < SHORTEST:
            raise EnvironmentUnavailable(
                f"[P204] the secret {name} is shorter than {SHORTEST} characters: it could not be masked"
            )
        else:
            found.secrets[name] = text
    if missing:
        raise EnvironmentUnavailable(
            f"[P603] secrets are not set on this machine: {', '.join(missing)}",
            help="set the variable, or write the file, that the workflow names for each",
        )
    found.masker = Masker([*found.secrets.values(), *(known_secrets() if flow.claude_phases() else ())])
    return found


class _Files:
    """Reads files beside the workflow; others only where the policy allows them."""

    def __init__(self, workflow_file: Path, repository: Path, allowed: Sequence[str]) -> None:
        self._beside = workflow_file.resolve().parent
        self._repository = repository.resolve()
        self._allowed = tuple(str(Path(pattern).expanduser()) for pattern in allowed)

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, None where there is none."""
        full = (self._beside / Path(path).expanduser()).resolve()
        if not full.is_relative_to(self._repository) and not match_glob(self._allowed, (), [str(full)]):
            raise PolicyViolation(
                f"[P601] the workflow reads {full}, which lies outside the repository",
                help="name it in `allowed_files` of the machine's policy, if you trust this workflow with it",
            )
        try:
            data = full.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EnvironmentUnavailable(f"{full} cannot be read: {error.strerror}") from error
        if len(data) > _MAX_FILE:
            raise EnvironmentUnavailable(f"{full} is larger than 1 MiB")
        return data


def _read_env_file(
    reader: _Files, file: EnvFile, known: Mapping[str, str], notes: list[str]
) -> dict[str, str]:
    path = render_plain(file.path, Scope(exported=known))
    data = reader.read(path)
    if data is None:
        if file.required:
            raise EnvironmentUnavailable(f"[P603] the file of variables {path} does not exist")
        notes.append(f"the file of variables {path} does not exist")
        return {}
    try:
        return parse_env_file(data, path)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _read_secret(reader: _Files, source: SecretSource, files: Mapping[str, str]) -> str:
    if source.provider == "file":
        data = reader.read(source.key)
        try:
            return "" if data is None else data.decode().removesuffix("\n")
        except UnicodeDecodeError:
            raise EnvironmentUnavailable(f"the secret's file {source.key} is not UTF-8 text") from None
    return os.environ.get(source.key) or files.get(source.key, "")
