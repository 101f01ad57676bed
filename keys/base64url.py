"""Base64url as JOSE writes it: one spelling for each value, no padding, no white space.

Decoders that forgive (padding, line ends, loose last bits) let two texts mean one value; then
a hash over the text and a check of the value can disagree.
"""

import binascii

from keys.errors import KeyFormatError

TO_STANDARD = bytes.maketrans(b"-_", b"+/")
FROM_STANDARD = bytes.maketrans(b"+/", b"-_")
# The last character carries 4 or 2 bits that mean nothing; they must be zero.
FINAL_OF_TWO = frozenset("AQgw")
FINAL_OF_THREE = frozenset("AEIMQUYcgkosw048")


def encode(data: bytes) -> str:
    """Write bytes as base64url without padding."""
    text = binascii.b2a_base64(data, newline=False).rstrip(b"=")
    return text.translate(FROM_STANDARD).decode("ascii")


def decode(text: str) -> bytes:
    """Read base64url in its only allowed spelling.

    Raises:
        KeyFormatError: Another alphabet, padding, white space, or loose last bits.

    Source:
        RFC 7515 section 2; RFC 4648 sections 3.2, 3.3 and 3.5.
    """
    tail = len(text) % 4
    loose = (tail == 2 and text[-1] not in FINAL_OF_TWO) or (  # noqa: PLR2004 - see the sets
        tail == 3 and text[-1] not in FINAL_OF_THREE  # noqa: PLR2004
    )
    if tail == 1 or loose or not text.isascii():
        raise KeyFormatError("not base64url")
    data = text.encode("ascii")
    if b"+" in data or b"/" in data or b"=" in data:
        raise KeyFormatError("not base64url")
    try:
        return binascii.a2b_base64(
            data.translate(TO_STANDARD) + b"=" * (-len(data) % 4), strict_mode=True
        )
    except binascii.Error:
        raise KeyFormatError("not base64url") from None
