"""Masking secrets: in texts, and in streams however they are cut."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"
SHORTEST = 4
"""Characters of a secret; masking a shorter one would hide half of every text."""


class Masker:
    """Replaces every secret by ``***``: as it is, base64- and URL-encoded, and as JSON writes it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[bytes] = set()
        for secret in secrets:
            forms |= _forms(secret)
        self._longest = max(map(len, forms), default=0)
        self._prefixes = {form[:end] for form in forms for end in range(1, len(form))}
        alternatives = b"|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
        self._pattern = re.compile(alternatives) if forms else None

    def __bool__(self) -> bool:
        """Whether there is anything to mask."""
        return self._pattern is not None

    def __call__(self, text: str) -> str:
        """Return a text without secrets."""
        if self._pattern is None:
            return text
        return self.data(text.encode(errors="surrogateescape")).decode(errors="surrogateescape")

    def data(self, data: bytes) -> bytes:
        """Return bytes without secrets."""
        return data if self._pattern is None else self._pattern.sub(MASK.encode(), data)

    def value(self, value: Any) -> Any:
        """Return JSON data without secrets, in keys and values."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {self(str(key)): self.value(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value

    def stream(self) -> StreamMasker:
        """Return a filter for one stream."""
        return StreamMasker(self)

    def held_back(self, data: bytes) -> int:
        """Return how many last bytes may be the beginning of a secret."""
        for length in range(min(len(data), self._longest - 1), 0, -1):
            if data[-length:] in self._prefixes:
                return length
        return 0


class StreamMasker:
    """Masks a stream piece by piece; only what may be the beginning of a secret waits for more."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what can be passed on now."""
        if not self._masker:
            return data
        masked = self._masker.data(self._held + data)
        keep = self._masker.held_back(masked)
        self._held = masked[len(masked) - keep :]
        return masked[: len(masked) - keep]

    def finish(self) -> bytes:
        """Return the rest."""
        rest, self._held = self._held, b""
        return rest


def _forms(secret: str) -> set[bytes]:
    raw = secret.encode(errors="surrogateescape")
    forms = {raw, raw.strip(), *raw.splitlines(), json.dumps(secret)[1:-1].encode()}
    forms.add(json.dumps(secret, ensure_ascii=False)[1:-1].encode(errors="surrogateescape"))
    for encoded in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        forms |= {encoded.encode(), re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded).encode()}
    for offset in range(3):
        # Inside a longer text the same bytes give one of three texts; the edges depend on the neighbours.
        text = base64.b64encode(bytes(offset) + raw)
        first = 0 if offset == 0 else offset + 1
        last = len(text) if (offset + len(raw)) % 3 == 0 else len(text.rstrip(b"=")) - 1
        forms |= {text[first:last], text[first:last].translate(bytes.maketrans(b"+/", b"-_"))}
    forms |= {base64.b64encode(raw), base64.urlsafe_b64encode(raw)}
    return {form for form in forms if len(form) >= SHORTEST}
