"""What is sealed opens for its recipients, and is of the form that the protocol says."""

import base64
import json
import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.errors import UnsealError
from broker.sealing import wire
from broker.sealing.content import MAX_BODY_BYTES, SIZE_CLASSES, ContentKey, SignedContent
from broker.sealing.rewrap import rewrap
from broker.sealing.route import SealRoute
from broker.sealing.seal import SealedMessage, seal
from broker.sealing.unseal import open_content_key, unseal
from keys.algorithms import EncryptionAlgorithm
from keys.errors import KeyFormatError
from keys.identifiers import parse_kid
from keys.key import DecryptionKey, EncryptionKey
from schemas.vocabulary import Compartment, Country

MakeKey = Callable[..., DecryptionKey]


def unb64(text: str) -> bytes:
    """Decode base64url without our own decoder."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_unseal_returns_what_was_sealed_to_every_recipient(
    sealed: SealedMessage,
    content: SignedContent,
    route: SealRoute,
    guatemala: DecryptionKey,
    honduras: DecryptionKey,
) -> None:
    """The exact bytes, their signature, the route, and the hash, whichever key opens."""
    for key in (guatemala, honduras):
        opened = unseal(sealed.jwe, {key.kid: key})

        assert (opened.body, opened.signature) == (content.body, content.signature)
        assert (opened.route, opened.kid) == (route, key.kid)
        assert opened.content_hash == sealed.content_hash
    assert sealed.recipients == (guatemala.kid, honduras.kid)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=5000), signature=st.text("ab.-_", min_size=1, max_size=1000))
def test_unseal_returns_any_bytes(
    route: SealRoute, guatemala: DecryptionKey, body: bytes, signature: str
) -> None:
    """Neither zeros at the end nor any length is lost in the padding."""
    held = SignedContent(body=body + b"\0", signature=signature)

    opened = unseal(
        seal(held, route, [guatemala.public], lambda size: b"\x05" * size).jwe,
        {guatemala.kid: guatemala},
    )

    assert (opened.body, opened.signature) == (held.body, held.signature)


@pytest.mark.parametrize("limit", SIZE_CLASSES)
def test_seal_shows_only_the_size_class_of_the_body(
    route: SealRoute, content: SignedContent, guatemala: DecryptionKey, limit: int
) -> None:
    """The largest body of a class fits; one byte more is of the next class or refused."""

    def size(body_bytes: int) -> int:
        held = SignedContent(body=b"a" * body_bytes, signature=content.signature)
        jwe = seal(held, route, [guatemala.public], lambda count: b"\x07" * count).jwe
        assert unseal(jwe, {guatemala.kid: guatemala}).body == held.body
        return len(unb64(json.loads(jwe)["ciphertext"]))

    assert size(limit) == size(limit // 4 + 1) == limit + 1024
    if limit == MAX_BODY_BYTES:
        with pytest.raises(RuntimeError):
            size(limit + 1)
    else:
        assert size(limit + 1) == 4 * limit + 1024


def test_seal_fits_the_largest_message_into_the_cap(route: SealRoute, make_key: MakeKey) -> None:
    """33 recipients of the larger suite and 256 KiB stay below what a reader accepts."""
    key = make_key("GT-a", EncryptionAlgorithm.HPKE_10_KE)
    keys = [replace(key.public, kid=parse_kid(f"GT-a{number}")) for number in range(33)]
    held = SignedContent(body=b"a" * MAX_BODY_BYTES, signature="a")

    jwe = seal(held, route, keys, bytes).jwe

    assert len(jwe) < wire.MAX_JWE_BYTES
    assert len(wire.parse(jwe).recipients) == 33


def test_seal_writes_the_form_of_the_protocol(
    sealed: SealedMessage, route: SealRoute, guatemala: DecryptionKey
) -> None:
    """RFC 7516 General JSON with our header; the route is readable on the way."""
    jwe = json.loads(sealed.jwe)
    protected = json.loads(unb64(jwe["protected"]))

    assert set(jwe) == {"protected", "aad", "iv", "ciphertext", "tag", "recipients"}
    assert set(protected) == {"enc", "suite", "ckc", "typ"}
    assert (protected["enc"], protected["suite"]) == ("A256GCM", "enlace-pq-1")
    assert unb64(jwe["aad"]) == route.to_bytes()
    assert json.loads(unb64(jwe["aad"]))["to"] == {
        "compartment": "intelligence",
        "countries": ["GT", "HN"],
    }
    entry = jwe["recipients"][0]
    assert (entry["header"]["alg"], entry["header"]["kid"]) == ("HPKE-9-KE", guatemala.kid)
    assert (len(unb64(entry["header"]["ek"])), len(unb64(entry["encrypted_key"]))) == (1120, 48)


def test_seal_draws_a_key_and_a_nonce_and_nothing_else(
    content: SignedContent, route: SealRoute, guatemala: DecryptionKey
) -> None:
    """The content is a function of what was drawn; only the wraps differ."""
    asked: list[int] = []

    def draw(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    one = seal(content, route, [guatemala.public], draw)
    two = seal(content, route, [guatemala.public], bytes)

    assert asked == [32, 12]
    assert one.content_hash == two.content_hash
    assert one.jwe != two.jwe


def test_seal_closes_for_good_when_there_is_no_recipient(
    content: SignedContent, route: SealRoute, guatemala: DecryptionKey
) -> None:
    """A recall may be sealed to nobody: its hash is evidence, and no desk's reader takes it."""
    sealed = seal(content, route, [], os.urandom)

    assert sealed.recipients == ()
    assert wire.content_hash(sealed.jwe, fewest=0) == sealed.content_hash
    assert wire.parse(sealed.jwe, fewest=0).recipients == ()
    with pytest.raises(UnsealError):
        unseal(sealed.jwe, {guatemala.kid: guatemala})


def test_seal_refuses_recipients_that_only_a_mistake_can_bring(
    content: SignedContent, route: SealRoute, guatemala: DecryptionKey
) -> None:
    """Too many, the same twice."""
    key = guatemala.public
    many = [replace(key, kid=parse_kid(f"GT-a{number}")) for number in range(34)]

    for recipients in ([key, key], many):
        with pytest.raises(RuntimeError):
            seal(content, route, recipients, bytes)


def test_seal_refuses_a_classical_recipient(
    content: SignedContent, route: SealRoute, guatemala: DecryptionKey, make_key: MakeKey
) -> None:
    """Alone or among others: there is no key type for it, and the door is shut besides."""
    classical = make_key("HN-a").public
    with pytest.raises(KeyFormatError):
        replace(classical, algorithm=EncryptionAlgorithm.ECDH_ES_A256KW)
    object.__setattr__(classical, "algorithm", EncryptionAlgorithm.ECDH_ES_A256KW)

    for recipients in ([classical], [guatemala.public, classical]):
        with pytest.raises(RuntimeError, match="post-quantum"):
            seal(content, route, recipients, bytes)


@pytest.mark.parametrize("signature", ["", "a" * 1001])
def test_seal_refuses_content_that_was_not_admitted(
    route: SealRoute, guatemala: DecryptionKey, signature: str
) -> None:
    """Without a signature, or with one longer than admission takes."""
    held = SignedContent(body=b"", signature=signature)

    with pytest.raises(RuntimeError):
        seal(held, route, [guatemala.public], bytes)


def test_rewrap_moves_the_message_to_a_new_key_and_changes_no_evidence(
    sealed: SealedMessage, guatemala: DecryptionKey, honduras: DecryptionKey, make_key: MakeKey
) -> None:
    """The new key opens, the old no longer, the other recipient as before; one hash."""
    new = make_key("GT-intelligence-2")

    held = wire.parse(sealed.jwe).only_for(guatemala.kid)
    entry = rewrap(held.protected, held.recipients[0], guatemala, new)
    moved = wire.write(wire.parse(sealed.jwe).with_entry(guatemala.kid, entry))

    assert unseal(moved, {new.kid: new}).content_hash == sealed.content_hash
    assert unseal(moved, {honduras.kid: honduras}).body == unseal(moved, {new.kid: new}).body
    with pytest.raises(UnsealError):
        unseal(moved, {guatemala.kid: guatemala})
    with pytest.raises(UnsealError):
        rewrap(held.protected, held.recipients[0], new, new)
    for old_kid, kid in ((new.kid, new.kid), (guatemala.kid, honduras.kid)):
        with pytest.raises(UnsealError):
            wire.parse(sealed.jwe).with_entry(old_kid, replace(entry, kid=kid))


def test_only_for_keeps_one_entry_and_the_evidence(
    sealed: SealedMessage, guatemala: DecryptionKey, make_key: MakeKey
) -> None:
    """A desk needs its own entry only."""
    own = wire.write(wire.parse(sealed.jwe).only_for(guatemala.kid))

    assert wire.content_hash(own) == sealed.content_hash
    assert len(json.loads(own)["recipients"]) == 1
    assert unseal(own, {guatemala.kid: guatemala}).kid == guatemala.kid
    with pytest.raises(UnsealError):
        wire.parse(sealed.jwe).only_for(make_key("GT-other").kid)


def test_open_content_key_hides_the_key(sealed: SealedMessage, guatemala: DecryptionKey) -> None:
    """The content key has a type that shows nothing."""
    key = open_content_key(wire.parse(sealed.jwe), guatemala)

    assert isinstance(key, ContentKey)
    assert repr(key) == "<ContentKey: hidden>"


def test_route_has_one_spelling(route: SealRoute) -> None:
    """What is written is read back; a channel takes the place of countries."""
    channel = replace(route, countries=(), compartment=None, channel="hlsg-darien")

    assert SealRoute.from_bytes(route.to_bytes()) == route
    assert SealRoute.from_bytes(channel.to_bytes()) == channel
    assert json.loads(channel.to_bytes())["to"] == {"channel": "hlsg-darien"}


@pytest.mark.parametrize(
    "change",
    [
        {"countries": ()},
        {"compartment": None},
        {"countries": (Country.BELIZE, Country.BELIZE)},
        {"channel": "hlsg-darien"},
        {"channel": "a b", "countries": (), "compartment": None},
        {"message_id": 'x"'},
        {"agency": "fiscalía"},
        {"created": "2026-11-23T12:00:00Z\n"},
        {"expires": ""},
        {"version": "1" * 65},
    ],
    ids=str,
)
def test_route_refuses_what_it_cannot_say_plainly(
    route: SealRoute, change: dict[str, object]
) -> None:
    """Contradictory recipients and texts beyond plain ASCII."""
    with pytest.raises(KeyFormatError):
        replace(route, **change)  # type: ignore[arg-type] # the table mixes fields


@pytest.mark.parametrize(
    "replacement",
    [
        (b'"id":', b'"id" :'),
        (b'"version":"1.0"', b'"version":"1.0","zip":"DEF"'),
        (b'"version":"1.0"', b'"version":1.0'),
        (b'"agency":"fge"', b'"agency":"fge","x":1'),
        (b'"country":"MX"', b'"country":"FR"'),
        (b'["GT","HN"]', b'"GT"'),
        (b'"route-report"', b'"gossip"'),
        (b'{"agency":"fge","country":"MX"}', b'"MX"'),
        (b'"urgency":"priority",', b""),
        (b'{"created"', b'{"urgency":"flash","created"'),
        (b'"1.0"', b'"\\u0031.0"'),
        (b'"1.0"', b'"' + b"1" * 3000 + b'"'),
    ],
    ids=lambda pair: str(pair[1][:40]),
)
def test_route_refuses_a_second_spelling(
    route: SealRoute, replacement: tuple[bytes, bytes]
) -> None:
    """Spaces, unknown members or values, duplicates, and escapes."""
    data = route.to_bytes()
    changed = data.replace(*replacement)

    assert changed != data
    with pytest.raises(KeyFormatError):
        SealRoute.from_bytes(changed)


def test_recipient_keys_are_equal_by_value(guatemala: DecryptionKey) -> None:
    """A key that was read from its statement is the key that was generated."""
    assert EncryptionKey.from_jwk(guatemala.public.jwk()) == guatemala.public
    assert Compartment.INTELLIGENCE in guatemala.kid


def test_without_entries_leaves_what_no_key_opens(
    sealed: SealedMessage, guatemala: DecryptionKey, honduras: DecryptionKey
) -> None:
    """What goes to RabbitMQ is the same content, and no recipient can open it."""
    bare = wire.without_entries(sealed.jwe)

    members, kept = json.loads(sealed.jwe), json.loads(bare)
    assert kept == {**members, "recipients": []}
    with pytest.raises(UnsealError):
        unseal(bare, {guatemala.kid: guatemala, honduras.kid: honduras})
    for damaged in (b"not JSON", b"[]"):
        with pytest.raises(UnsealError):
            wire.without_entries(damaged)
