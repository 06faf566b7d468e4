"""Ending a step's processes: TERM, a time of grace, KILL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prodigy.errors import SandboxFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.sandbox.channel import Channel

ANSWER_LIMIT = 15.0
"""Seconds the reaper may take for one answer."""
KILL_ROUNDS = 20
"""How often KILL is repeated: a step may fork while it is being killed."""


class Reaper:
    """Gives orders to a running ``reaper`` script and reads its counts."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._answers = b""

    def order(self, name: str) -> int:
        """Have TERM, KILL or LIST done; return how many processes were found.

        Raises SandboxFailure when no answer comes, OSError when the reaper is gone.
        """
        self._channel.send(f"{name}\n".encode())
        deadline = time.monotonic() + ANSWER_LIMIT
        while b"\n" not in self._answers:
            chunks = self._channel.receive(deadline - time.monotonic())
            if chunks is None or time.monotonic() > deadline:
                raise SandboxFailure("the processes of the step could not be listed")
            self._answers += b"".join(data for name_, data in chunks if name_ == "stdout")
        line, self._answers = self._answers.split(b"\n", 1)
        if not line.isdigit():
            raise SandboxFailure("the processes of the step could not be counted")
        return int(line)


def climb(start: Callable[[], Channel], grace: float) -> bool:
    """Send TERM, wait up to ``grace`` seconds, then KILL; return whether nothing is left.

    Raises SandboxFailure or OSError when the reaper could not do its work.
    """
    channel = start()
    try:
        reaper = Reaper(channel)
        if grace > 0 and _ask(reaper, grace):
            return True
        return any(not (reaper.order("KILL") and reaper.order("LIST")) for _ in range(KILL_ROUNDS))
    finally:
        channel.close()


def _ask(reaper: Reaper, grace: float) -> bool:
    """Ask the processes to end; return whether they did in time."""
    deadline = time.monotonic() + grace
    left, pause = reaper.order("TERM"), 0.02
    while left and (rest := deadline - time.monotonic()) > 0:
        time.sleep(min(pause, rest))
        pause = min(2 * pause, 0.5)
        left = reaper.order("LIST")
    return not left
