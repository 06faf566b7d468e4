"""Files of variables: ``NAME=VALUE`` lines."""

from __future__ import annotations

import re

_LINE = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


def parse_env_file(data: bytes, name: str) -> dict[str, str]:
    """Return the variables of a file; one pair of matching quotes around a value is removed.

    Raises ValueError with file and line for anything that is no such line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}:{data.count(bytes([10]), 0, error.start) + 1}: not UTF-8 text") from None
    found: dict[str, str] = {}
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.removesuffix("\r").strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or "\0" in line:
            raise ValueError(f"{name}:{number}: not a NAME=VALUE line")
        if match[1].startswith("PRODIGY_"):
            raise ValueError(f"{name}:{number}: {match[1]} is reserved for prodigy")
        value = match[2].strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[match[1]] = value
    return found
