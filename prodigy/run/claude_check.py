"""What this machine has of what claude steps need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.errors import EnvironmentUnavailable
from prodigy.run.credentials import read_model
from prodigy.sandbox.builtin import CLAUDE
from prodigy.sandbox.egress import Egress
from prodigy.sandbox.protocol import Call
from prodigy.values import Check

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.sandbox.images import ImageInfo
    from prodigy.sandbox.protocol import Sandbox

_ASK = (
    "curl -sS -o /dev/null -m 20 -w '%{http_code}' -H 'content-type: application/json' "
    '-H "anthropic-version: 2023-06-01" -d "{}" "$ANTHROPIC_BASE_URL/v1/messages"'
)
"""A request that asks for nothing: it costs nothing, and the answer tells whether the credential is known."""
_UNKNOWN, _MALFORMED = ("401", "403"), "400"


def check_program(images: list[ImageInfo]) -> Check:
    """Say whether the image with Claude Code is here."""
    found = next((info for info in images if info.reference == CLAUDE.reference), None)
    if found is None:
        detail = "the image with Claude Code is not here yet: the first run with a claude step builds it"
        return Check("claude", "warn", detail, "prodigy images build --all")
    return Check("claude", "ok", f"{found.reference} {found.id[:19]}", None)


def check_credential() -> Check:
    """Say whether there is a credential, without showing it."""
    try:
        model = read_model()
    except EnvironmentUnavailable as error:
        return Check("credential", "warn", error.message, error.help)
    kind = model.kind.replace("_", " ")
    return Check("credential", "ok", f"an {kind} for {model.host}", None)


def check_endpoint(open_sandbox: Callable[[Egress], Sandbox]) -> Check | None:
    """Ask the model's endpoint through a gateway; None where there is no credential to ask with."""
    try:
        model = read_model()
    except EnvironmentUnavailable:
        return None
    sandbox = open_sandbox(Egress((), model))
    try:
        status = sandbox.run(Call(("sh", "-c", _ASK), timeout=60)).stdout_tail.decode(errors="replace")
    finally:
        sandbox.close()
    if status in _UNKNOWN:
        return Check("endpoint", "fail", f"{model.host} refuses the credential ({status})", "set another one")
    if status == _MALFORMED or status.startswith("2"):
        return Check("endpoint", "ok", f"{model.host} answers through the gateway", None)
    return Check(
        "endpoint", "fail", f"{model.host} does not answer through the gateway ({status or 'nothing'})", None
    )
