"""Access tokens: ours, unexpired, and in the hands that they were given to."""

import json
from collections.abc import Callable
from datetime import timedelta

import jwt
import pytest
from jwt.algorithms import OKPAlgorithm

from broker.admission import access_token
from broker.admission.access_token import AccessTokens, read_scopes
from broker.errors import AuthenticationError, Code
from broker.model.names import Scope
from keys.algorithms import SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import SigningKey
from tests.admission.credentials import BASE_URL, DROP, NOW, SECONDS, Client, changed, token

KEY = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GW-token-1"))
CLIENT = Client()
THIEF = Client("SV.fgr")
SCOPES = frozenset({Scope.MESSAGES_SEND, Scope.DIRECTORY_READ})
CLAIMS = {
    "iss": BASE_URL,
    "aud": BASE_URL,
    "sub": CLIENT.client_id,
    "client_id": CLIENT.client_id,
    "scope": "messages:send",
    "cnf": {"jkt": CLIENT.jkt},
    "jti": "j",
    "iat": SECONDS,
    "exp": SECONDS + 300,
}


@pytest.fixture
def tokens() -> AccessTokens:
    """Tokens of one gateway process that has just started."""
    return AccessTokens(issuer=BASE_URL, signing_key=KEY)


def issue(tokens: AccessTokens) -> str:
    """Issue a good token."""
    return tokens.issue(CLIENT.client_id, scopes=SCOPES, jkt=CLIENT.jkt, now=NOW)


def test_verify_tells_what_was_issued_when_the_key_is_the_same(tokens: AccessTokens) -> None:
    """The first check and the remembered one say the same."""
    issued = issue(tokens)

    first = tokens.verify(issued, now=NOW, jkt=CLIENT.jkt)
    again = tokens.verify(issued, now=NOW + timedelta(seconds=299), jkt=CLIENT.jkt)

    assert (first.client_id, first.scopes) == (CLIENT.client_id, SCOPES)
    assert first.expires_at == NOW + timedelta(seconds=300)
    assert again is first


def test_issue_writes_a_jwt_that_others_read_when_they_follow_rfc_9068(
    tokens: AccessTokens,
) -> None:
    """PyJWT verifies it with our published key."""
    issued = issue(tokens)
    reader = jwt.PyJWS(algorithms=[])
    reader.register_algorithm("Ed25519", OKPAlgorithm())
    key = jwt.PyJWK(KEY.public.jwk(), algorithm="EdDSA").key

    read = reader.decode_complete(issued, key, algorithms=["Ed25519"])

    assert read["header"] == {"alg": "Ed25519", "kid": "GW-token-1", "typ": "at+jwt"}
    claims = json.loads(read["payload"])
    assert claims.keys() == CLAIMS.keys()
    assert (claims["cnf"], claims["exp"]) == ({"jkt": CLIENT.jkt}, SECONDS + 300)


def test_issue_never_repeats_a_jti_when_asked_twice(tokens: AccessTokens) -> None:
    """Two tokens of one second differ."""
    assert issue(tokens) != issue(tokens)


@pytest.mark.parametrize("remembered", [False, True], ids=["new", "remembered"])
def test_verify_refuses_a_stolen_token_when_the_proof_is_of_another_key(
    tokens: AccessTokens, *, remembered: bool
) -> None:
    """A token without its key is worthless, also after its owner used it."""
    issued = issue(tokens)
    if remembered:
        tokens.verify(issued, now=NOW, jkt=CLIENT.jkt)

    with pytest.raises(AuthenticationError) as caught:
        tokens.verify(issued, now=NOW, jkt=THIEF.jkt)

    assert caught.value.code is Code.TOKEN_INVALID


@pytest.mark.parametrize("remembered", [False, True], ids=["new", "remembered"])
@pytest.mark.parametrize("seconds", [300, 301, -11], ids=["at exp", "after exp", "before iat"])
def test_verify_refuses_a_token_when_its_time_is_not_now(
    tokens: AccessTokens, seconds: int, *, remembered: bool
) -> None:
    """Remembering a token does not prolong it."""
    issued = issue(tokens)
    if remembered:
        tokens.verify(issued, now=NOW, jkt=CLIENT.jkt)

    with pytest.raises(AuthenticationError):
        tokens.verify(issued, now=NOW + timedelta(seconds=seconds), jkt=CLIENT.jkt)


def forged(header: dict[str, object] | None = None, **claims: object) -> Callable[[], str]:
    """Sign what we never would, with our own key."""
    head = {"typ": "at+jwt", "alg": "Ed25519", "kid": KEY.kid}
    return lambda: token(changed(head, header or {}), changed(CLAIMS, claims), KEY)


def duplicate() -> str:
    """Let the scope stand twice."""
    claims = b'{"scope":"admin:exchange",' + json.dumps(CLAIMS).encode()[1:]
    return token(b'{"typ":"at+jwt","alg":"Ed25519","kid":"GW-token-1"}', claims, KEY)


REFUSED: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "not a token": lambda: "a.b",
    "beyond ASCII": lambda: "\udc80.é.x",
    "oversize": forged(pad="x" * 3000),
    "another's signature": lambda: token(
        changed({"typ": "at+jwt", "alg": "Ed25519", "kid": KEY.kid}, {}),
        changed(CLAIMS, {}),
        SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GW-token-1")),
    ),
    "unknown kid": forged({"kid": "GW-token-2"}),
    "no kid": forged({"kid": DROP}),
    "alg none": forged({"alg": "none"}),
    "alg EdDSA, which we never write": forged({"alg": "EdDSA"}),
    "typ JWT": forged({"typ": "JWT"}),
    "typ of a receipt": forged({"typ": "enlace-receipt+jws"}),
    "typ of a proof": forged({"typ": "dpop+jwt"}),
    "jwk in the header": forged({"jwk": CLIENT.dpop_jwk}),
    "crit": forged({"crit": ["exp"]}),
    "another issuer": forged(iss="https://evil.test"),
    "another audience": forged(aud="https://evil.test"),
    "several audiences": forged(aud=[BASE_URL, "https://evil.test"]),
    "no cnf": forged(cnf=DROP),
    "cnf of another kind too": forged(cnf={"jkt": CLIENT.jkt, "x5t#S256": "x"}),
    "sub of another": forged(sub="GT.mp"),
    "no client": forged(client_id=DROP, sub=DROP),
    "unknown scope": forged(scope="messages:send root"),
    "no scope": forged(scope=DROP),
    "no exp": forged(exp=DROP),
    "no iat": forged(iat=DROP),
    "exp a text": forged(exp="never"),
    "a member twice": duplicate,
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_verify_refuses_a_token_when_we_did_not_issue_it(
    tokens: AccessTokens, make: Callable[[], str]
) -> None:
    """Everything in a token of ours is as we write it."""
    with pytest.raises(AuthenticationError) as caught:
        tokens.verify(make(), now=NOW, jkt=CLIENT.jkt)

    assert caught.value.code is Code.TOKEN_INVALID


def test_verify_accepts_the_old_key_when_keys_change(tokens: AccessTokens) -> None:
    """A token outlives the change of the signing key, and ends when its key is taken out."""
    issued = issue(tokens)
    new_key = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GW-token-2"))
    during = AccessTokens(issuer=BASE_URL, signing_key=new_key, verification_keys=[KEY.public])
    after = AccessTokens(issuer=BASE_URL, signing_key=new_key)

    assert during.verify(issued, now=NOW, jkt=CLIENT.jkt).client_id == CLIENT.client_id
    assert [key.kid for key in during.verification_keys] == ["GW-token-1", "GW-token-2"]
    with pytest.raises(AuthenticationError):
        after.verify(issued, now=NOW, jkt=CLIENT.jkt)


def test_verify_forgets_the_oldest_when_it_remembers_many(
    tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded, whatever is asked."""
    monkeypatch.setattr(access_token, "REMEMBERED", 2)
    issued = [issue(tokens) for _ in range(3)]

    for each in issued:
        tokens.verify(each, now=NOW, jkt=CLIENT.jkt)

    assert len(tokens._remembered) == 2
    assert tokens.verify(issued[0], now=NOW, jkt=CLIENT.jkt).client_id == CLIENT.client_id


SCOPE_TEXTS = {
    "one": ("messages:send", {Scope.MESSAGES_SEND}),
    "twice the same": ("audit:read audit:read", {Scope.AUDIT_READ}),
    "none": ("", set()),
    "unknown": ("messages:send root", None),
    "other letters": ("Messages:Send", None),
    "another separator": ("messages:send\tdirectory:read", None),
}


@pytest.mark.parametrize(("text", "scopes"), SCOPE_TEXTS.values(), ids=SCOPE_TEXTS)
def test_read_scopes_takes_only_ours_when_separated_by_spaces(
    text: str, scopes: set[Scope] | None
) -> None:
    """RFC 6749 section 3.3, and nothing unknown."""
    assert read_scopes(text) == scopes
