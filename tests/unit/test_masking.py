"""Secrets are hidden in every form, and however a stream is cut."""

from __future__ import annotations

import base64
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from prodigy.masking import Masker

SECRETS = st.text(min_size=4, max_size=12).filter(
    lambda text: len(text.strip().encode()) >= 4 and "*" not in text
)


@given(SECRETS, st.binary(max_size=9), st.binary(max_size=9))
def test_no_form_of_a_secret_remains(secret: str, before: bytes, after: bytes) -> None:
    masker = Masker([secret])
    raw = secret.encode(errors="surrogatepass") if secret.isprintable() else secret.encode(errors="replace")
    if raw.decode(errors="replace") != secret:
        return
    assert raw not in masker.data(before + raw + after)
    assert quote(raw, safe="").encode() not in masker.data(quote(before + raw + after, safe="").encode())


@given(st.binary(max_size=7), st.binary(max_size=7))
def test_base64_of_a_longer_text(before: bytes, after: bytes) -> None:
    masker = Masker(["correct horse battery"])
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert b"***" in masker.data(encode(before + b"correct horse battery" + after))


@given(st.lists(st.sampled_from([b"tok", b"en-12", b"34", b"token-1234", b"to", b"\n", b"x"]), max_size=12))
def test_a_stream_is_masked_as_the_whole_is(chunks: list[bytes]) -> None:
    masker = Masker(["token-1234"])
    stream = masker.stream()
    done = b"".join([stream.feed(chunk) for chunk in chunks] + [stream.finish()])
    assert done == masker.data(b"".join(chunks))


def test_values_are_masked_everywhere_in_data() -> None:
    masker = Masker(["pass\nword"])
    assert masker.value({"a pass\nword": ["x pass\nword", 1, None]}) == {"a ***": ["x ***", 1, None]}
    assert masker('{"a": "pass\\nword"}') == '{"a": "***"}'


def test_nothing_to_mask() -> None:
    masker = Masker()
    assert not masker
    assert masker("text") == "text"
