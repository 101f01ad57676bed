"""One spelling for each value."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import base64url
from keys.errors import KeyFormatError


@given(st.binary(max_size=200))
def test_decode_returns_what_encode_wrote(data: bytes) -> None:
    """Every byte string has one text, and the text gives it back."""
    text = base64url.encode(data)

    assert base64url.decode(text) == data
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@given(st.text(alphabet="ABab01-_+/= \n", max_size=9))
def test_decode_accepts_a_text_only_in_its_own_spelling(text: str) -> None:
    """Whatever decodes is written again as the very same text."""
    try:
        data = base64url.decode(text)
    except KeyFormatError:
        return

    assert base64url.encode(data) == text


@pytest.mark.parametrize(
    "text",
    ["QQ==", "QQ=", "QR", "QUJ", "Q", "QQ\n", " QQ", "Q Q", "Q+Q", "Q/Q", "QÀ", "QQ.", "\ud800a"],
)
def test_decode_refuses_a_second_spelling(text: str) -> None:
    """Padding, loose bits, white space, and the other alphabet are refused."""
    with pytest.raises(KeyFormatError):
        base64url.decode(text)
