"""Names of keys, and how keys are compared."""

import pytest

from keys.errors import KeyFormatError
from keys.identifiers import (
    Exchange,
    fingerprint,
    kid_owner,
    parse_kid,
    thumbprint,
)
from keys.strict_json import JsonObject
from schemas.vocabulary import Country

# RFC 7638 section 3.1.
RSA_EXAMPLE: JsonObject = {
    "kty": "RSA",
    "n": (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
        "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
        "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI"
        "4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    ),
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
# RFC 8037 appendix A.3.
OKP_EXAMPLE: JsonObject = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}


def test_parse_kid_reads_the_owner_of_a_key() -> None:
    """The prefix is the country that answers for the key, or the exchange."""
    mexican, own = parse_kid("MX-fge-2026-1"), parse_kid("GW-receipt-1")

    assert kid_owner(mexican) == Country.MEXICO
    assert kid_owner(own) == Exchange.GATEWAY


@pytest.mark.parametrize(
    "text",
    [
        "MX-fge\n", "mx-fge", "MX-", "MX-Fge", "MX-" + "a" * 33, "XX-fge", "FR-a", "MXfge",
        "../../etc/passwd", "MX-a' OR 1=1 --", "https://evil.example/jwks", "MX-a/b", "MX-٣",
        "", None, 7, ["MX-fge"],
    ],
)  # fmt: skip
def test_parse_kid_refuses_what_is_more_than_a_name(text: object) -> None:
    """No path, URL, SQL, line end, foreign digit or unknown owner."""
    with pytest.raises(KeyFormatError):
        parse_kid(text)


@pytest.mark.parametrize(
    ("jwk", "expected"),
    [
        (RSA_EXAMPLE, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (OKP_EXAMPLE, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ],
    ids=["RFC 7638 3.1", "RFC 8037 A.3"],
)
def test_thumbprint_agrees_with_the_standards(jwk: JsonObject, expected: str) -> None:
    """The thumbprints of the RFCs come out."""
    assert thumbprint(jwk) == expected


def test_thumbprint_ignores_what_is_not_the_key() -> None:
    """Names and private members do not change it."""
    assert thumbprint({**OKP_EXAMPLE, "d": "x", "kid": "y"}) == thumbprint(OKP_EXAMPLE)


def test_fingerprint_reads_in_groups() -> None:
    """Eight groups of four can be read out on the telephone."""
    assert fingerprint(OKP_EXAMPLE) == "90fa-cafe-a9b1-5566-9854-0f70-c011-7a22"


@pytest.mark.parametrize("jwk", [{}, {"kty": "oct", "k": "AA"}, {"kty": "OKP", "x": 1}, {"kty": 1}])
def test_thumbprint_refuses_an_unknown_type(jwk: JsonObject) -> None:
    """A symmetric key has no name here."""
    with pytest.raises(KeyFormatError):
        thumbprint(jwk)
