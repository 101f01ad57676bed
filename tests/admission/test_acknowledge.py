"""Desk answers: only the desk that calls can answer, for itself, and one thing at a time."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from broker.admission.acknowledge import RULE_NAMES, rule_in, verify_answer
from broker.admission.rules.table import AT_THE_DESK, OF_WHAT_LIES_THERE
from broker.errors import Code, RefusedError
from broker.model.answers import DeskAnswer
from broker.model.events import RefusalReason
from broker.model.names import DeskRef
from keys.algorithms import SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import SigningKey, VerificationKey
from schemas.vocabulary import Compartment, Country
from tests.admission.credentials import DROP, NOW, SECONDS, RsaKey, changed, token

DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
WALLED_OFF = DeskRef(country=Country.GUATEMALA, compartment=Compartment.PROTECTION)
KEY = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GT-desk-intelligence-1"))
WALLED_KEY = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GT-desk-protection-1"))
RSA_KEY = RsaKey("GT-desk-rsa")
KEYS: dict[str, tuple[VerificationKey, DeskRef]] = {
    KEY.kid: (KEY.public, DESK),
    WALLED_KEY.kid: (WALLED_KEY.public, WALLED_OFF),
    RSA_KEY.kid: (RSA_KEY.public, DESK),
}
PAYLOAD = {
    "mid": "0192d3b4-0000-7000-8000-000000000001",
    "hash": "h" * 43,
    "desk": "GT.intelligence",
    "iat": SECONDS,
}


def sign(
    *, key: SigningKey | RsaKey = KEY, header: dict[str, Any] | None = None, **members: Any
) -> str:
    """Sign an acknowledgement, or with ``reason`` a refusal."""
    kind = "refusal" if "reason" in members else "ack"
    good = {"alg": key.algorithm.value, "kid": key.kid, "typ": f"enlace-{kind}+jws"}
    return token(
        changed(good, header or {}),
        changed(PAYLOAD, members),
        key,  # type: ignore[arg-type] # an RSA key signs all the same
    )


def verify(answer: str, *, refusal: bool = False, desk: DeskRef = DESK) -> DeskAnswer:
    """Check an answer."""
    return verify_answer(answer, desk=desk, find_key=KEYS.get, now=NOW, refusal=refusal)


@pytest.mark.parametrize("iat", [0, SECONDS, SECONDS + 60])
def test_verify_reads_an_acknowledgement_when_the_desk_signed_it(iat: int) -> None:
    """However long ago: a desk may have lost its line in between."""
    answer = verify(sign(iat=iat))

    assert (answer.desk, answer.message_id, answer.content_hash) == (DESK, PAYLOAD["mid"], "h" * 43)
    assert answer.reason is None
    assert answer.answered_at.timestamp() == iat


@pytest.mark.parametrize("reason", RefusalReason)
def test_verify_reads_a_refusal_when_its_reason_is_on_the_list(reason: RefusalReason) -> None:
    """The token is kept as it came: it is the evidence."""
    signed = sign(reason=reason.value)

    answer = verify(signed, refusal=True)

    assert (answer.reason, answer.token) == (reason, signed)


@pytest.mark.parametrize("rule", sorted(RULE_NAMES))
def test_verify_reads_the_rule_when_a_safeguard_refused(rule: str) -> None:
    """It is told apart from every other content that is not valid, and can be read again."""
    signed = sign(reason="content-not-valid", rule=rule)

    answer = verify(signed, refusal=True)

    assert rule_in(answer.token) == rule


@pytest.mark.parametrize("signed", [sign(reason="content-not-valid"), "signed by the desk"])
def test_rule_in_is_none_when_none_is_named(signed: str) -> None:
    """Desks from before it was told leave it out."""
    assert rule_in(signed) is None


def test_rules_that_may_be_named_are_those_that_a_desk_asks() -> None:
    """Each has a name of ours, so nothing of a content can stand in its place."""
    assert {rule.name for rule in (*AT_THE_DESK, *OF_WHAT_LIES_THERE)} == RULE_NAMES
    assert all(re.fullmatch(r"SG-[0-9]{2}|policy", name) for name in RULE_NAMES)


INVALID: dict[str, Callable[[], str]] = {
    "a refusal": lambda: sign(reason="cannot-open"),
    "a refusal said to be an acknowledgement": lambda: sign(
        reason="cannot-open", header={"typ": "enlace-ack+jws"}
    ),
    "a receipt": lambda: sign(header={"typ": "enlace-receipt+jws"}),
    "a message": lambda: sign(header={"typ": "enlace-message+jws"}),
    "no typ": lambda: sign(header={"typ": DROP}),
    "alg none": lambda: sign(header={"alg": "none"}),
    "an RSA key": lambda: sign(key=RSA_KEY),
    "unknown kid": lambda: sign(header={"kid": "GT-desk-intelligence-9"}),
    "no kid": lambda: sign(header={"kid": DROP}),
    "crit": lambda: sign(header={"crit": ["exp"]}),
    "the other compartment's key": lambda: sign(key=WALLED_KEY),
    "the other compartment's key and name": lambda: sign(
        key=WALLED_KEY, desk="GT.protection"
    ),
    "own key, the other's name": lambda: sign(desk="GT.protection"),
    "desk missing": lambda: sign(desk=DROP),
    "desk an array": lambda: sign(desk=["GT.intelligence"]),
    "mid missing": lambda: sign(mid=DROP),
    "mid in capitals": lambda: sign(mid=str(PAYLOAD["mid"]).upper()),
    "mid of another version": lambda: sign(mid="0192d3b4-0000-4000-8000-000000000001"),
    "mid with a line end": lambda: sign(mid=f"{PAYLOAD['mid']}\n"),
    "mid null": lambda: sign(mid=None),
    "hash too short": lambda: sign(hash="h" * 42),
    "hash with padding": lambda: sign(hash="h" * 43 + "="),
    "hash a number": lambda: sign(hash=1),
    "iat missing": lambda: sign(iat=DROP),
    "iat 61 s ahead": lambda: sign(iat=SECONDS + 61),
    "iat negative": lambda: sign(iat=-1),
    "iat true": lambda: sign(iat=True),
    "iat a text": lambda: sign(iat="now"),
    "a member too many": lambda: sign(note="x"),
    "a rule": lambda: sign(rule="SG-01"),
    "a member twice": lambda: token(
        changed({"alg": "Ed25519", "kid": KEY.kid, "typ": "enlace-ack+jws"}, {}),
        b'{"mid":"x",' + json.dumps(PAYLOAD).encode()[1:],
        KEY,
    ),
    "an array": lambda: token(
        changed({"alg": "Ed25519", "kid": KEY.kid, "typ": "enlace-ack+jws"}, {}), b"[]", KEY
    ),
    "oversize": lambda: sign(note="x" * 3000),
    "not a token": lambda: "acknowledged",
    "changed afterwards": lambda: sign().replace(".", ".e", 1),
}  # fmt: skip


@pytest.mark.parametrize("make", INVALID.values(), ids=INVALID)
def test_verify_refuses_an_acknowledgement_when_anything_is_wrong(
    make: Callable[[], str],
) -> None:
    """One code for all: an answer counts or it does not."""
    answer = make()

    with pytest.raises(RefusedError) as caught:
        verify(answer)

    assert caught.value.code is Code.ACKNOWLEDGEMENT_INVALID


NO_REFUSALS: dict[str, Callable[[], str]] = {
    "an acknowledgement": sign,
    "no reason": lambda: sign(header={"typ": "enlace-refusal+jws"}),
    "a reason that is not on the list": lambda: sign(reason="did-not-like-it"),
    "a reason that is an array": lambda: sign(reason=["cannot-open"]),
    "a reason that is null": lambda: sign(reason=None),
    "a rule that is none": lambda: sign(reason="content-not-valid", rule="asylum seeker"),
    "a rule in small letters": lambda: sign(reason="content-not-valid", rule="sg-01"),
    "a rule that is null": lambda: sign(reason="content-not-valid", rule=None),
    "two rules": lambda: sign(reason="content-not-valid", rule=["SG-01", "SG-02"]),
    "a rule beside a lie": lambda: sign(reason="facts-not-true", rule="SG-01"),
    "a rule beside another reason": lambda: sign(reason="legal-obstacle", rule="SG-01"),
    "a step beside the reason": lambda: sign(reason="content-not-valid", step="schema"),
}


@pytest.mark.parametrize("make", NO_REFUSALS.values(), ids=NO_REFUSALS)
def test_verify_refuses_a_refusal_when_it_is_none(make: Callable[[], str]) -> None:
    """An acknowledgement is never read as a refusal, nor one without a known reason."""
    with pytest.raises(RefusedError) as caught:
        verify(make(), refusal=True)

    assert caught.value.code is Code.ACKNOWLEDGEMENT_INVALID


def test_verify_refuses_an_answer_when_another_desk_sends_it() -> None:
    """A desk cannot answer for another by passing on what that one signed."""
    with pytest.raises(RefusedError):
        verify(sign(), desk=WALLED_OFF)
