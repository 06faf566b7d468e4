"""JSONPath queries (RFC 9535), in the spellings people use."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_QUOTED_OR_EQUALS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?<![=!<>])=(?!=)""", re.DOTALL)


@lru_cache(maxsize=256)
def compile_query(json_path: str) -> Any:
    """Return a compiled query; a missing ``$`` is added, ``=`` in filters means ``==``. Raises ValueError."""
    from jsonpath_rfc9535 import JSONPathError, compile  # noqa: A004 - heavy; its own name for it

    query = json_path.strip()
    if not query.startswith("$"):
        query = "$" + query if query.startswith(("[", ".")) else "$." + query
    if "?" in query:
        query = _QUOTED_OR_EQUALS.sub(lambda found: "==" if found[0] == "=" else found[0], query)
    try:
        return compile(query)
    except (JSONPathError, RecursionError) as error:
        raise ValueError(f"not a JSONPath query: {error}") from None
