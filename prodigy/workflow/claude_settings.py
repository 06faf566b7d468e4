"""The ``claude`` block: how Claude Code runs."""

from __future__ import annotations

from typing import Literal

from prodigy.workflow.fields import Model


class ClaudeSettings(Model):
    """How Claude Code runs."""

    credentials: Literal["env"] | None = None
    """``env``: the credentials of prodigy's environment are given to the process."""
