"""Finding a step's reports in its own output, and cutting them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REPORT_LIMIT = 512
"""Bytes a report may have; anything longer behind a mark is ordinary output."""


class MarkFilter:
    """Passes a stream on without the reports ``MARK:TEXT;`` in it, however it is cut in pieces."""

    def __init__(self, mark: str, on_report: Callable[[str], None]) -> None:
        self._mark = mark.encode() + b":"
        self._on_report = on_report
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what of ``data`` (and of bytes held back before) is certainly output."""
        if self._held:
            data, self._held = self._held + data, b""
        passed = []
        while (start := data.find(self._mark)) >= 0:
            passed.append(data[:start])
            begin = start + len(self._mark)
            end = data.find(b";", begin, begin + REPORT_LIMIT)
            if end >= 0:
                self._on_report(data[begin:end].decode("ascii", "replace"))
                data = data[end + 1 :]
            elif len(data) - begin < REPORT_LIMIT:
                self._held = data[start:]
                return b"".join(passed)
            else:
                passed.append(self._mark)
                data = data[begin:]
        keep = self._overlap(data)
        self._held = data[len(data) - keep :]
        passed.append(data[: len(data) - keep])
        return b"".join(passed)

    def finish(self) -> bytes:
        """Return what was held back, at the end of the stream."""
        held, self._held = self._held, b""
        return held

    def _overlap(self, data: bytes) -> int:
        """Count the bytes at the end of ``data`` that may be the beginning of a mark."""
        for size in range(min(len(data), len(self._mark) - 1), 0, -1):
            if data.endswith(self._mark[:size]):
                return size
        return 0
