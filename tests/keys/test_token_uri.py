"""A PKCS#11 URI is read strictly, for it says whom we trust with private keys."""

from pathlib import Path

import pytest

from keys.custody.token_uri import TokenUri
from keys.errors import CustodyError, CustodyFault


def test_parse_reads_every_attribute() -> None:
    """Percent signs are undone."""
    text = "pkcs11:token=Mesa%20GT;serial=12ab?module-path=/lib/a.so&x-seed-file=/var/a%26b"

    assert TokenUri.parse(text) == TokenUri(
        token="Mesa GT",
        serial="12ab",
        module=Path("/lib/a.so"),
        seed_file=Path("/var/a&b"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "pkcs11:",
        "pkcs11:token=a",
        "pkcs11:?module-path=/a.so",
        "pkcs11:token=a?module-path=a.so",
        "pkcs11:token=a;token=b?module-path=/a.so",
        "pkcs11:token=a;object=b?module-path=/a.so",
        "pkcs11:token=a?module-path=/a.so&pin-value=1234",
        "pkcs11:token=a?module-path=/a.so&pin-source=/pin",
        "pkcs11:token=a?module-path=/a.so&x-seed-file=b",
        "pkcs11:token=%ff?module-path=/a.so",
        "pkcs11:token=a?module-path=/a%00.so",
        "pkcs11:token?module-path=/a.so",
        "file:token=a?module-path=/a.so",
        "pkcs11:token=a?module-path=/" + "a" * 5000,
    ],
)
def test_parse_refuses_what_it_does_not_know(text: str) -> None:
    """A PIN does not belong in a URI, and its refusal does not repeat it."""
    with pytest.raises(CustodyError) as refused:
        TokenUri.parse(text)

    assert refused.value.fault is CustodyFault.BAD_LOCATION
    assert "1234" not in str(refused.value)
