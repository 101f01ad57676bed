"""What an administrator signed: is it whole, and is it his?"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from keys import act, jws, strict_json
from keys.act import ACT_TYP, ActId, ActTerms, act_id
from keys.act_kind import ActKind, ActReason
from keys.errors import ActError
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import SigningKey
from keys.strict_json import JsonValue
from schemas.vocabulary import Country

MakeSigningKey = Callable[..., SigningKey]
ANA = Holder.administrator(Country.MEXICO, "ana")
KEYS = (KeyId("MX-desk-1"), KeyId("MX-desk-2"))
ROADS = ("MX.GT.intelligence", "MX.HN.protection")
OTHER = act_id("another act")
POLICY: strict_json.JsonObject = {"decisions": {"time_lock": "48h"}}


@pytest.fixture
def key(make_signing_key: MakeSigningKey) -> SigningKey:
    """Give Ana's key."""
    return make_signing_key("MX-admin-ana-1")


@pytest.fixture
def suspend(now: datetime) -> ActTerms:
    """Let Ana suspend two keys."""
    return ActTerms(kind=ActKind.SUSPEND, by=ANA, at=now, reason=ActReason.LOST, keys=KEYS)


ABOUT: dict[ActKind, dict[str, object]] = {
    ActKind.SUSPEND: {"keys": KEYS},
    ActKind.COMPROMISE: {"keys": KEYS},
    ActKind.ACTIVATE: {"keys": KEYS},
    ActKind.LIFT: {"keys": KEYS},
    ActKind.DESTROY: {"keys": KEYS},
    ActKind.OPEN: {"pairs": ROADS},
    ActKind.CLOSE: {"pairs": ROADS},
    ActKind.POLICY: {"policy": POLICY},
    ActKind.SAFEGUARDS: {"policy": POLICY},
    ActKind.CHARTER: {"charter": {"channel": "hlsg-mx-gt"}},
    ActKind.CONSENT: {"of": OTHER},
    ActKind.LEAVE_CHANNEL: {"channel": "hlsg-mx-gt"},
    ActKind.SUSPEND_CHANNEL: {"channel": "hlsg-mx-gt"},
    ActKind.RESUME_CHANNEL: {"channel": "hlsg-mx-gt"},
    ActKind.CLOSE_CHANNEL: {"channel": "hlsg-mx-gt"},
    ActKind.APPROVE: {"of": OTHER},
    ActKind.CANCEL: {"of": OTHER},
}


@pytest.mark.parametrize("kind", ActKind)
def test_verify_returns_the_terms_that_were_signed(
    suspend: ActTerms, key: SigningKey, kind: ActKind
) -> None:
    """Each kind of act comes back whole, with its name and its signer."""
    since = {"since": suspend.at - timedelta(days=1)} if kind is ActKind.COMPROMISE else {}
    terms = ActTerms(kind=kind, by=ANA, at=suspend.at, **ABOUT[kind], **since)  # type: ignore[arg-type]
    token = act.sign(terms, key)

    read = act.verify(token, find_key={key.kid: key.public}.get)

    assert read.payload() == terms.payload()
    assert (read.id, read.signed_with, read.token) == (act_id(token), key.kid, token)


@pytest.mark.parametrize("kind", ActKind)
def test_terms_refuse_an_act_about_something_else(now: datetime, kind: ActKind) -> None:
    """Nothing at all, or what belongs to another kind."""
    every: dict[str, object] = {"keys": KEYS, "pairs": ROADS, "policy": POLICY, "of": OTHER}
    wrong = [{}, every, *({name: every[name]} for name in every if name not in ABOUT[kind])]

    for what in wrong:
        with pytest.raises(ActError):
            ActTerms(kind=kind, by=ANA, at=now, **what)  # type: ignore[arg-type]


IMPOSSIBLE: dict[str, dict[str, object]] = {
    "by an agency": {"by": Holder.agency(Country.MEXICO, "fge")},
    "a key twice": {"keys": KEYS[:1] * 2},
    "since, of a suspension": {"since": datetime.fromisoformat("2026-01-01T00:00:00+00:00")},
}


@pytest.mark.parametrize("change", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_terms_refuse_what_no_administrator_does(
    suspend: ActTerms, change: dict[str, object]
) -> None:
    """An act is one person's, and says each thing once."""
    with pytest.raises(ActError):
        replace(suspend, **change)  # type: ignore[arg-type]


def test_terms_refuse_a_compromise_that_begins_after_it_is_reported(suspend: ActTerms) -> None:
    """Since tomorrow is no report."""
    with pytest.raises(ActError):
        replace(suspend, kind=ActKind.COMPROMISE, since=suspend.at + timedelta(seconds=1))


@pytest.mark.parametrize("pair", ["MX.GT", "mx.gt.intelligence", "MX.GT.intelligence\n", "#", ""])
def test_terms_refuse_what_is_no_pair(suspend: ActTerms, pair: str) -> None:
    """A pattern for several roads would open more than was read."""
    with pytest.raises(ActError):
        replace(suspend, kind=ActKind.OPEN, keys=(), pairs=(pair,))


def test_sign_refuses_another_owners_key(
    suspend: ActTerms, make_signing_key: MakeSigningKey
) -> None:
    """Guatemala's key signs nothing for Ana of Mexico."""
    with pytest.raises(ActError):
        act.sign(suspend, make_signing_key("GT-admin-ana-1"))


CHANGES: dict[str, dict[str, JsonValue]] = {
    "unknown act": {"act": "read"},
    "unknown reason": {"reason": "because"},
    "by nobody": {"by": None},
    "by an unknown owner": {"by": {"owner": "FR", "administrator": "ana"}},
    "by an agency": {"by": {"owner": "MX", "agency": "fge"}},
    "time a text": {"at": "now"},
    "time true": {"at": True},
    "keys no list": {"keys": "MX-desk-1"},
    "keys empty": {"keys": []},
    "a key of no name": {"keys": ["../x"]},
    "a key no text": {"keys": [1]},
    "a policy, too": {"policy": {}},
    "a policy no object": {"policy": "x"},
    "an act, too": {"of": OTHER},
    "of nothing": {"of": "x"},
    "since, too": {"since": 1},
    "a channel no text": {"channel": 5},
    "a charter no object": {"charter": "x"},
    "a member too many": {"color": "red"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_verify_refuses_what_is_not_of_the_one_form(
    suspend: ActTerms, key: SigningKey, change: dict[str, JsonValue]
) -> None:
    """Also under a true signature; the error repeats nothing of it."""
    members = strict_json.parse_object(suspend.payload()) | change
    token = jws.sign_compact(strict_json.write(members), key, typ=ACT_TYP)

    with pytest.raises(ActError) as refused:
        act.verify(token, find_key={key.kid: key.public}.get)
    assert "red" not in str(refused.value)


def test_verify_refuses_who_is_not_known_and_what_is_meant_for_something_else(
    suspend: ActTerms, key: SigningKey, make_signing_key: MakeSigningKey
) -> None:
    """A stranger, another key of Ana's name, another typ, other bytes, too many bytes."""
    good = act.sign(suspend, key)
    other = make_signing_key("MX-admin-luis-1")
    tokens = [
        act.sign(suspend, other),
        jws.sign_compact(suspend.payload(), key, typ="enlace-receipt+jws"),
        good[:-4] + "AAAA",
        good + "A" * act.MAX_ACT_CHARS,
        "",
        "a.b.c",
    ]

    assert act.verify(good, find_key={key.kid: key.public}.get).by == ANA
    for token in tokens:
        with pytest.raises(ActError):
            act.verify(token, find_key={key.kid: key.public}.get)
    with pytest.raises(ActError):
        act.verify(good, find_key={key.kid: other.public}.get)


def test_act_id_differs_for_every_act(suspend: ActTerms, key: SigningKey) -> None:
    """An approval names these bytes, and nothing that looks like them."""
    later = replace(suspend, at=suspend.at + timedelta(seconds=1))
    names: set[ActId] = {act_id(act.sign(terms, key)) for terms in (suspend, later)}

    assert len(names) == 2
    assert all(act.ACT_ID.fullmatch(name) for name in names)
