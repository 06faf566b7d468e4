"""Everything prodigy raises on purpose: one shallow tree.

Each class carries the exit code it ends the program with; one place in ``cli`` turns an error into
that code and a sentence. Codes: 1 the work failed, 2 the request was wrong and nothing was started,
3 the machine lacks something, 130/143 interrupted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prodigy.values import Diagnostic, ErrorKind


class ProdigyError(Exception):
    """Raised when prodigy cannot do what was asked; the base of every error here."""

    exit_code: int = 1

    def __init__(self, message: str, *, help: str | None = None) -> None:  # noqa: A002 - the word users see
        super().__init__(message)
        self.message = message
        self.help = help


class UsageError(ProdigyError):
    """Raised when an option, an argument or an id is wrong; nothing was started."""

    exit_code = 2


class WorkflowInvalid(ProdigyError):
    """Raised when a workflow file has errors; holds all of them."""

    exit_code = 2

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        count = len(diagnostics)
        super().__init__(f"the workflow has {count} error{'s' if count != 1 else ''}")
        self.diagnostics = tuple(diagnostics)


class PolicyViolation(ProdigyError):
    """Raised when a setting is forbidden or cannot be enforced on this machine."""

    exit_code = 2


class EnvironmentUnavailable(ProdigyError):
    """Raised when the machine lacks something a run needs: a repository, an engine, an image."""

    exit_code = 3


class RepositoryUnusable(EnvironmentUnavailable):
    """Raised when a directory is not a git repository prodigy can run over."""


class EngineUnavailable(EnvironmentUnavailable):
    """Raised when no container engine answers, or one that cannot bind-mount local directories."""


class ImageUnavailable(EnvironmentUnavailable):
    """Raised when an image is absent, cannot be built, or lacks git or a shell."""


class SandboxFailure(ProdigyError):
    """Raised when a sandbox died or its engine failed; never a command's own result."""


class OverlayUnavailable(SandboxFailure):
    """Raised when the engine cannot mount an overlay volume; a copied workspace would work."""


class StepError(ProdigyError):
    """Raised when a step cannot be started or its result not be used; carries the kind of failure."""

    def __init__(self, kind: ErrorKind, message: str, *, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message, help=help)
        self.kind = kind


class InputError(ProdigyError):
    """Raised when the input of a map is missing, malformed or too large."""


class GitFailed(ProdigyError):
    """Raised when a git command that should have worked on the host's own data failed."""


class ImportRefused(ProdigyError):
    """Raised when commits offered by a workspace are malformed, too large, or not built on their base."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class MergeRefused(ProdigyError):
    """Raised when the user's branch cannot be fast-forwarded; nothing was moved."""


class SecurityViolation(ProdigyError):
    """Raised when the user's repository changed while only a workspace should have."""


class Interrupted(ProdigyError):
    """Raised when a signal stopped the run; its exit code is 128 plus the signal's number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted")
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
