"""Who signed this, and as what?"""

import base64
import hmac
import json
from collections.abc import Callable

import joserfc.jwk
import joserfc.jws
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.api_jws import PyJWS

from keys import base64url, jws, strict_json, web_token
from keys.algorithms import SignatureAlgorithm
from keys.errors import SignatureError
from keys.identifiers import KeyId, parse_kid
from keys.jws import MESSAGE_TYP, FindKey
from keys.key import SigningKey, VerificationKey
from keys.strict_json import JsonObject, JsonValue

TYP = "enlace-receipt+jws"
CLAIMS: dict[str, str | int] = {
    "mid": "0197f3a2-1b2c-7d3e-8f40-123456789abc",
    "org": "MX.fge",
    "sch": "route-report/1.0",
    "iat": 1_795_456_800,
}
BODY = '{"id":"0197f3a2","body":"Tapachula, dos vehículos"}\n'.encode()


def find(*keys: VerificationKey) -> FindKey:
    """Look a key up among these."""
    by_kid: dict[KeyId, VerificationKey] = {key.kid: key for key in keys}
    return by_kid.get


def forge(key: SigningKey, header: JsonObject | bytes, payload: bytes = b"{}") -> str:
    """Sign any header whatever, correctly."""
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    signed = f"{base64url.encode(data)}.{base64url.encode(payload)}"
    return f"{signed}.{base64url.encode(key.sign(signed.encode()))}"


def forge_detached(key: SigningKey, header: JsonObject, payload: bytes = BODY) -> str:
    """Sign any detached header whatever, correctly."""
    text = base64url.encode(json.dumps(header).encode())
    return f"{text}..{base64url.encode(key.sign(text.encode() + b'.' + payload))}"


@given(st.binary(max_size=300))
def test_verify_compact_returns_the_payload_that_was_signed(payload: bytes) -> None:
    """Any bytes, the empty ones too, come back whole."""
    key = SigningKey.generate(SignatureAlgorithm.ED25519, parse_kid("MX-a"), bytes)

    token = jws.sign_compact(payload, key, typ=TYP)
    verified = jws.verify_compact(token, typ=TYP, find_key=find(key.public))

    assert (verified.payload, verified.kid) == (payload, "MX-a")


@given(st.binary(max_size=300))
def test_verify_detached_holds_for_the_exact_bytes_only(payload: bytes) -> None:
    """The same bytes verify with their claims; one byte more does not."""
    key = SigningKey.generate(SignatureAlgorithm.ES256, parse_kid("MX-a"), bytes)

    token = jws.sign_detached(payload, key, typ=MESSAGE_TYP, claims=CLAIMS)
    verified = jws.verify_detached(token, payload, typ=MESSAGE_TYP, find_key=find(key.public))

    assert verified.claims == CLAIMS
    assert verified.key == key.public
    with pytest.raises(SignatureError):
        jws.verify_detached(token, payload + b" ", typ=MESSAGE_TYP, find_key=find(key.public))


def test_sign_agrees_with_rfc_8037() -> None:
    """Appendix A.4: the example payload under the example key gives the example signature.

    The header of the example has neither typ nor kid, so the primitive is held against it.
    """
    jwk: JsonObject = {
        "kty": "OKP",
        "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "MX-a",
    }
    key = SigningKey.from_jwk(jwk)
    signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"

    assert base64url.encode(key.sign(signed)) == (
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )


def library_key(key: SigningKey) -> jwt.PyJWK:
    """Load a key of ours into PyJWT."""
    jwk = key.public.jwk()
    if key.algorithm is SignatureAlgorithm.ED25519:
        jwk["alg"] = "EdDSA"
    return jwt.PyJWK(dict(jwk))


def test_sign_is_read_by_pyjwt_and_joserfc(signing_key: SigningKey) -> None:
    """Two independent libraries accept what we sign, compact and detached."""
    compact = jws.sign_compact(b'{"a":1}', signing_key, typ=TYP)
    detached = jws.sign_detached(BODY, signing_key, typ=MESSAGE_TYP, claims=CLAIMS)
    library = PyJWS()
    library.register_algorithm("Ed25519", jwt.algorithms.OKPAlgorithm())
    key = library_key(signing_key).key
    algorithms = [signing_key.algorithm.value]

    assert library.decode(compact, key, algorithms) == b'{"a":1}'
    assert library.decode(detached, key, algorithms, detached_payload=BODY) == BODY
    public = joserfc.jwk.import_key(
        {n: str(v) for n, v in signing_key.public.jwk().items() if n not in ("alg", "kid")}
    )
    read = joserfc.jws.deserialize_compact(compact, public, algorithms=algorithms)
    assert read.payload == b'{"a":1}'


def test_verify_reads_what_pyjwt_signed(signing_key: SigningKey) -> None:
    """What a Python agency makes with PyJWT is accepted, compact and detached."""
    library = PyJWS()
    library.register_algorithm("Ed25519", jwt.algorithms.OKPAlgorithm())
    private = strict_json.parse_object(signing_key.export().reveal())
    if private["alg"] == "Ed25519":
        private["alg"] = "EdDSA"
    key = jwt.PyJWK(dict(private)).key
    headers = {"typ": MESSAGE_TYP, "kid": signing_key.kid, **CLAIMS}
    alg = signing_key.algorithm.value

    detached = library.encode(BODY, key, alg, headers=headers, is_payload_detached=True)
    compact = library.encode(b"{}", key, alg, headers={"typ": TYP, "kid": signing_key.kid})

    keys = find(signing_key.public)
    assert jws.verify_detached(detached, BODY, typ=MESSAGE_TYP, find_key=keys).claims == CLAIMS
    assert jws.verify_compact(compact, typ=TYP, find_key=keys).payload == b"{}"


BAD_HEADERS: dict[str, dict[str, JsonValue]] = {
    "alg none": {"alg": "none"},
    "alg None": {"alg": "None"},
    "alg empty": {"alg": ""},
    "alg HS256": {"alg": "HS256"},
    "alg RS256": {"alg": "RS256"},
    "alg of the other kind": {"alg": "PS256"},
    "alg a list": {"alg": ["Ed25519"]},
    "EdDSA outside of OAuth": {"alg": "EdDSA"},
    "typ of another token": {"typ": "at+jwt"},
    "typ in capitals": {"typ": TYP.upper()},
    "typ with a prefix": {"typ": "application/" + TYP},
    "jku": {"jku": "https://evil.example/jwks.json"},
    "x5u": {"x5u": "https://evil.example/cert.pem"},
    "x5c": {"x5c": ["MIIB"]},
    "x5t": {"x5t": "AA"},
    "jwk": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}},
    "zip": {"zip": "DEF"},
    "cty": {"cty": "JWT"},
    "unknown member": {"color": "red"},
    "crit unknown": {"crit": ["exp"], "exp": 1},
    "crit empty": {"crit": []},
    "crit no list": {"crit": "b64"},
    "crit b64 without b64": {"crit": ["b64"]},
    "b64 without crit": {"b64": False},
    "b64 true": {"b64": True, "crit": ["b64"]},
    "b64 zero": {"b64": 0, "crit": ["b64"]},
    "b64 twice critical": {"b64": False, "crit": ["b64", "b64"]},
    "b64 and more critical": {"b64": False, "crit": ["b64", "exp"], "exp": 1},
    "detached": {"b64": False, "crit": ["b64"]},
    "kid a path": {"kid": "../../keys/MX-fge-1"},
    "kid SQL": {"kid": "MX-a' OR '1'='1"},
    "kid a URL": {"kid": "https://evil.example/k"},
    "kid with a line end": {"kid": "MX-fge-1\n"},
    "kid of a stranger": {"kid": "US-fbi-1"},
    "kid a number": {"kid": 1},
    "kid null": {"kid": None},
    "typ null": {"typ": None},
}


@pytest.mark.parametrize("change", BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_verify_compact_refuses_a_header_that_says_anything_else(
    signing_key: SigningKey, change: dict[str, JsonValue]
) -> None:
    """Correctly signed, and still refused: the header is a closed set."""
    header: JsonObject = {"alg": signing_key.algorithm.value, "kid": signing_key.kid, "typ": TYP}
    good = forge(signing_key, header)

    assert jws.verify_compact(good, typ=TYP, find_key=find(signing_key.public)).payload == b"{}"
    with pytest.raises(SignatureError):
        jws.verify_compact(
            forge(signing_key, header | change), typ=TYP, find_key=find(signing_key.public)
        )


DETACHED_CHANGES: dict[str, dict[str, JsonValue]] = {
    **{
        name: change
        for name, change in BAD_HEADERS.items()
        if name not in {"detached", "crit b64 without b64", "b64 without crit"}
    },
    "a claim more": {"exp": 1},
    "iat a float": {"iat": 1.5},
    "iat negative": {"iat": -1},
    "iat true": {"iat": True},
    "iat beyond 2^53": {"iat": 2**53},
    "mid null": {"mid": None},
    "mid too long": {"mid": "a" * 257},
    "mid not ASCII": {"mid": "é"},
    "mid with a line end": {"mid": "a\n"},
    "mid an object": {"mid": {}},
}


@pytest.mark.parametrize("change", DETACHED_CHANGES.values(), ids=DETACHED_CHANGES.keys())
def test_verify_detached_refuses_a_header_that_says_anything_else(
    signing_key: SigningKey, change: dict[str, JsonValue]
) -> None:
    """The message signature has exactly its four claims, each of its own form."""
    header: JsonObject = {
        "alg": signing_key.algorithm.value,
        "kid": signing_key.kid,
        "typ": MESSAGE_TYP,
        "b64": False,
        "crit": ["b64"],
        **CLAIMS,
    }
    keys = find(signing_key.public)
    good = forge_detached(signing_key, header)

    assert jws.verify_detached(good, BODY, typ=MESSAGE_TYP, find_key=keys).claims == CLAIMS
    bad = forge_detached(signing_key, header | change)
    with pytest.raises(SignatureError):
        jws.verify_detached(bad, BODY, typ=MESSAGE_TYP, find_key=keys)


@pytest.mark.parametrize("missing", ["alg", "kid", "typ", "b64", "crit", *CLAIMS])
def test_verify_detached_refuses_a_header_that_lacks_a_member(
    signing_key: SigningKey, missing: str
) -> None:
    """Nothing is optional in a message signature."""
    header: JsonObject = {
        "alg": signing_key.algorithm.value,
        "kid": signing_key.kid,
        "typ": MESSAGE_TYP,
        "b64": False,
        "crit": ["b64"],
        **CLAIMS,
    }
    del header[missing]

    with pytest.raises(SignatureError):
        jws.verify_detached(
            forge_detached(signing_key, header),
            BODY,
            typ=MESSAGE_TYP,
            find_key=find(signing_key.public),
        )


def test_verify_compact_refuses_a_header_member_that_stands_twice(
    signing_key: SigningKey,
) -> None:
    """Whichever of the two a reader takes, we take neither."""
    alg = signing_key.algorithm.value
    header = f'{{"alg":"none","alg":"{alg}","kid":"MX-fge-1","typ":"{TYP}"}}'.encode()

    with pytest.raises(SignatureError):
        jws.verify_compact(forge(signing_key, header), typ=TYP, find_key=find(signing_key.public))


def test_verify_compact_refuses_hmac_with_the_public_key_as_secret(
    signing_key: SigningKey,
) -> None:
    """The classic confusion: there is no HMAC here to be confused with."""
    header = base64url.encode(
        json.dumps({"alg": "HS256", "kid": signing_key.kid, "typ": TYP}).encode()
    )
    mac = hmac.digest(signing_key.public.form.data, f"{header}.e30".encode(), "sha256")

    with pytest.raises(SignatureError):
        jws.verify_compact(
            f"{header}.e30.{base64url.encode(mac)}",
            typ=TYP,
            find_key=find(signing_key.public),
        )


Change = Callable[[str], str]
SPELLINGS: dict[str, Change] = {
    "padding on the signature": lambda token: token + "==",
    "padding on the header": lambda token: token.replace(".", "=.", 1),
    "line end": lambda token: token + "\n",
    "space in front": lambda token: " " + token,
    "line end within": lambda token: token[:10] + "\n" + token[10:],
    "no-break space": lambda token: token + "\u00a0",
    "plain base64": lambda token: token.replace("-", "+").replace("_", "/") + "+",
    "two parts": lambda token: token.rsplit(".", 1)[0],
    "four parts": lambda token: token + ".AA",
    "five parts": lambda token: token + ".AA.AA",
    "no signature": lambda token: token.rsplit(".", 1)[0] + ".",
    "no header": lambda token: token[token.index(".") :],
    "loose last bits": lambda token: token[:-1] + chr(ord(token[-1]) + 1),
    "signature cut": lambda token: token[:-4],
    "empty": lambda _: "",
    "JSON serialization": lambda token: json.dumps({"payload": token}),
    "header no object": lambda token: base64url.encode(b"[]") + token[token.index(".") :],
    "header in UTF-16": lambda token: (
        base64url.encode("{}".encode("utf-16")) + token[token.index(".") :]
    ),
    "too long": lambda token: token + "A" * 20_000,
    "header too long": lambda token: "A" * 4097 + token[token.index(".") :],
}


@pytest.mark.parametrize("change", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_verify_refuses_another_spelling_of_a_good_token(
    signing_key: SigningKey, change: Change
) -> None:
    """Padding, white space, other alphabets, parts too many or too few, loose bits."""
    keys = find(signing_key.public)
    compact = jws.sign_compact(b"{}", signing_key, typ=TYP)
    detached = jws.sign_detached(BODY, signing_key, typ=MESSAGE_TYP, claims=CLAIMS)

    with pytest.raises(SignatureError):
        jws.verify_compact(change(compact), typ=TYP, find_key=keys)
    with pytest.raises(SignatureError):
        jws.verify_detached(change(detached), BODY, typ=MESSAGE_TYP, find_key=keys)


def test_verify_detached_refuses_a_payload_inside_the_token(signing_key: SigningKey) -> None:
    """What is signed stands outside; a second payload inside is refused unread."""
    token = jws.sign_detached(BODY, signing_key, typ=MESSAGE_TYP, claims=CLAIMS)
    filled = token.replace("..", f".{base64.urlsafe_b64encode(BODY).rstrip(b'=').decode()}.")

    with pytest.raises(SignatureError):
        jws.verify_detached(filled, BODY, typ=MESSAGE_TYP, find_key=find(signing_key.public))


def test_verify_refuses_a_receipt_as_a_statement(signing_key: SigningKey) -> None:
    """A token made for one purpose passes for no other, compact or detached."""
    keys = find(signing_key.public)
    receipt = jws.sign_compact(b"{}", signing_key, typ=TYP)
    message = jws.sign_detached(BODY, signing_key, typ=MESSAGE_TYP, claims=CLAIMS)

    with pytest.raises(SignatureError):
        jws.verify_compact(receipt, typ="at+jwt", find_key=keys)
    with pytest.raises(SignatureError):
        jws.verify_detached(message, BODY, typ="enlace-ack+jws", find_key=keys)
    for detached in (message, jws.sign_detached(b"", signing_key, typ=MESSAGE_TYP, claims={})):
        with pytest.raises(SignatureError):
            jws.verify_compact(detached, typ=MESSAGE_TYP, find_key=keys)


def test_verify_refuses_a_key_that_the_look_up_gave_under_another_name(
    make_signing_key: Callable[..., SigningKey],
) -> None:
    """A careless look-up cannot make one key answer for another's name."""
    key, other = make_signing_key("MX-fge-1"), make_signing_key("MX-fge-2")
    token = jws.sign_compact(b"{}", key, typ=TYP)

    with pytest.raises(SignatureError):
        jws.verify_compact(token, typ=TYP, find_key=lambda _: other.public)


@pytest.mark.parametrize(
    "claims", [{"alg": "none"}, {"iat": -1}, {"mid": "\n"}, {"mid": "x" * 257}], ids=str
)
def test_sign_refuses_what_no_reader_would_accept(
    signing_key: SigningKey, claims: dict[str, str | int]
) -> None:
    """Nothing is signed that would be refused on arrival."""
    with pytest.raises(SignatureError):
        jws.sign_detached(BODY, signing_key, typ=MESSAGE_TYP, claims=claims)


def test_read_header_believes_nothing_and_reads_strictly(signing_key: SigningKey) -> None:
    """It names the key to look for, and the payload to look into, before verification."""
    token = jws.sign_compact(b'{"sub":"a"}', signing_key, typ=TYP)

    header = jws.read_header(token)

    assert (header.kid, header.typ, header.alg) == ("MX-fge-1", TYP, signing_key.algorithm)
    assert jws.unverified_payload(token) == b'{"sub":"a"}'
    with pytest.raises(SignatureError):
        jws.read_header(token + "=")
    with pytest.raises(SignatureError):
        jws.unverified_payload("AAAA.A.AAAA")


def test_verify_assertion_accepts_what_stock_clients_write(signing_key: SigningKey) -> None:
    """Without typ or kid, with either spelling of Ed25519."""
    spellings = ["Ed25519", "EdDSA"] if signing_key.algorithm == "Ed25519" else ["ES256"]
    for alg in spellings:
        for more in ({}, {"typ": "JWT"}, {"typ": "client-authentication+jwt"}, {"kid": "MX-fge-1"}):
            header: JsonObject = {"alg": alg, **more}

            verified = web_token.verify_assertion(
                forge(signing_key, header), keys=[signing_key.public]
            )

            assert verified.kid == "MX-fge-1"


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "at+jwt"},
        {"typ": MESSAGE_TYP},
        {"kid": "MX-other"},
        {"alg": "none"},
        {"jwk": {}},
        {"jwk": "x"},
        {"b64": False, "crit": ["b64"]},
        {"iss": "x"},
    ],
    ids=str,
)
def test_verify_assertion_refuses_what_is_no_assertion(
    signing_key: SigningKey, header: JsonObject
) -> None:
    """Another purpose, another key, an embedded key, or critical members."""
    alg: JsonObject = {"alg": signing_key.algorithm.value}
    token = forge(signing_key, alg | header)

    with pytest.raises(SignatureError):
        web_token.verify_assertion(token, keys=[signing_key.public])


def test_verify_assertion_refuses_to_guess_between_two_keys(
    make_signing_key: Callable[..., SigningKey],
) -> None:
    """Without a kid the client's only key of the algorithm is meant; two are none."""
    key, other = make_signing_key("MX-a"), make_signing_key("MX-b")
    token = forge(key, {"alg": "Ed25519"})

    assert web_token.verify_assertion(token, keys=[key.public]).kid == "MX-a"
    for keys in ([], [other.public], [key.public, other.public]):
        with pytest.raises(SignatureError):
            web_token.verify_assertion(token, keys=keys)


def test_verify_assertion_reads_ps256_of_a_stock_client() -> None:
    """RSA with PSS, as some clients have it from their smart cards."""
    private = rsa.generate_private_key(65537, 2048)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    jwk: JsonObject = {name: str(public[name]) for name in ("kty", "n", "e")}
    key = VerificationKey.from_jwk({**jwk, "kid": "MX-card"})
    token = jwt.encode({"sub": "x"}, private, algorithm="PS256")

    assert web_token.verify_assertion(token, keys=[key]).payload == b'{"sub":"x"}'
    for alg in ("RS256", "PS512"):
        with pytest.raises(SignatureError):
            web_token.verify_assertion(jwt.encode({}, private, algorithm=alg), keys=[key])
    with pytest.raises(SignatureError):
        web_token.verify_assertion(token[:-2] + "AA", keys=[key])


def proof_header(key: SigningKey) -> JsonObject:
    """Make a DPoP header with the key's own public half."""
    jwk = {name: v for name, v in key.public.jwk().items() if name not in ("kid", "alg")}
    return {"alg": key.algorithm.value, "typ": "dpop+jwt", "jwk": jwk}


def test_verify_proof_proves_possession_of_the_embedded_key(signing_key: SigningKey) -> None:
    """The thumbprint is that of the key that really signed."""
    token = forge(signing_key, proof_header(signing_key), b'{"jti":"1"}')

    proof = jws.verify_proof(token, typ="dpop+jwt")

    assert proof.payload == b'{"jti":"1"}'
    assert proof.thumbprint == signing_key.public.thumbprint
    with pytest.raises(SignatureError):
        jws.verify_compact(token, typ="dpop+jwt", find_key=find(signing_key.public))


def test_verify_proof_refuses_what_proves_nothing(
    signing_key: SigningKey, make_signing_key: Callable[..., SigningKey]
) -> None:
    """A private key, a symmetric key, another's key, no key, or another purpose."""
    good = proof_header(signing_key)
    private = strict_json.parse_object(signing_key.export().reveal())
    other = make_signing_key("MX-b", signing_key.algorithm).public.jwk()
    cases: list[JsonObject] = [
        good | {"jwk": private},
        good | {"jwk": {"kty": "oct", "k": "AA"}},
        good | {"jwk": other},
        good | {"jwk": []},
        good | {"typ": "JWT"},
        good | {"alg": "none"},
        good | {"alg": "PS256"},
        good | {"kid": "MX-fge-1"},
        {name: value for name, value in good.items() if name != "jwk"},
    ]

    for header in cases:
        with pytest.raises(SignatureError):
            jws.verify_proof(forge(signing_key, header), typ="dpop+jwt")
