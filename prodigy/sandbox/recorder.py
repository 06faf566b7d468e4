"""Keeping one stream of a step: its log file, its tail, and its lines as they come."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prodigy.masking import Masker

TAIL_LIMIT = 64 << 10
"""Bytes of a stream kept in memory."""
LINE_LIMIT = 8 << 10
"""Bytes of a line that are passed on; the rest of it is in the log only."""

LINES_AT_ONCE = 2000
"""Lines of one read that are passed on: empty ones arrive faster than anything can show them."""


class Recorder:
    """Stores one stream, whatever its size, in bounded memory."""

    def __init__(
        self, path: Path | None, on_line: Callable[[str], None] | None, masker: Masker | None = None
    ) -> None:
        self.size = 0
        self.error: OSError | None = None
        """Why the log could not be written; nothing is written after that."""
        self._tail = bytearray()
        self._on_line = on_line
        self._line = bytearray()
        self._cut = False
        self._mask = masker.stream() if masker else None
        self._file = self._create(path) if path else None

    @property
    def tail(self) -> bytes:
        """The last bytes of the stream, at most ``TAIL_LIMIT``."""
        return bytes(self._tail[-TAIL_LIMIT:])

    def feed(self, data: bytes) -> None:
        """Take the next bytes; secrets are masked before anything is kept."""
        self._take(self._mask.feed(data) if self._mask else data)

    def _take(self, data: bytes) -> None:
        if not data:
            return
        self.size += len(data)
        self._tail += data[-TAIL_LIMIT:]
        if len(self._tail) > 2 * TAIL_LIMIT:
            del self._tail[:-TAIL_LIMIT]
        if self._file:
            self._write(self._file, data)
        if self._on_line:
            self._split(data, self._on_line)

    def close(self) -> None:
        """Pass on an unfinished last line and close the log."""
        if self._mask:
            self._take(self._mask.finish())
        if self._on_line and self._line:
            self._emit(self._on_line)
        if self._file:
            try:
                self._file.close()
            except OSError as error:
                self.error = self.error or error
            self._file = None

    def _create(self, path: Path) -> BinaryIO | None:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            return open(os.open(path, flags, 0o600), "wb", buffering=0)  # noqa: PTH123 - O_NOFOLLOW
        except OSError as error:
            self.error = error
            return None

    def _write(self, file: BinaryIO, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[file.write(view) :]
        except OSError as error:
            self.error = error
            file.close()
            self._file = None

    def _split(self, data: bytes, on_line: Callable[[str], None]) -> None:
        if (surplus := data.count(b"\n") - LINES_AT_ONCE) > 0:
            data = b"\n".join(data.rsplit(b"\n", LINES_AT_ONCE + 1)[1:])
            self._line.clear()
            self._cut = False
            on_line(f"[… {surplus} lines are in the log only]")
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._extend(data[start:end])
            self._emit(on_line)
            start = end + 1
        self._extend(data[start:])

    def _extend(self, part: bytes) -> None:
        room = LINE_LIMIT - len(self._line)
        self._line += part[:room]
        self._cut = self._cut or len(part) > room

    def _emit(self, on_line: Callable[[str], None]) -> None:
        text = self._line.decode("utf-8", "replace") + (" […]" if self._cut else "")
        self._line.clear()
        self._cut = False
        on_line(text)
