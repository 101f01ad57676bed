"""What an agency seals itself, and says of it, when it is an attacker."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from broker.admission import facts_form
from broker.admission.facts import facts_of
from broker.desk.sign import sign_message
from broker.model.names import AgencyRef, DeskRef
from broker.origin_seal import ORIGIN_SEAL_TYP
from broker.sealing.content import SignedContent
from broker.sealing.route import SealRoute
from broker.sealing.seal import seal
from keys import base64url, jws, strict_json
from keys.key import SigningKey
from schemas.vocabulary import Compartment, Country, Kind, Urgency
from tests.attacks.attacker import Answer, Arena
from tests.flow.conftest import FISCALIA, GT_DESK, Running, as_bytes, message

JOSE = ("Content-Type", "application/jose+json")
MANY = {"countries": ["GT", "HN"], "compartment": "intelligence"}
HASHED = ("protected", "aad", "iv", "ciphertext", "tag")
MARK = "zxqmarker"
Document = dict[str, Any]
Change = Callable[[Document], None]


@dataclass(frozen=True, kw_only=True)
class Forged:
    """A sealed form as members, what is said of it, and the key that says so."""

    jwe: Document
    said: Document
    key: SigningKey

    @property
    def body(self) -> bytes:
        """The sealed form."""
        return json.dumps(self.jwe).encode()

    def spoilt(self, change: Change) -> "Forged":
        """Change the sealed form, and say its hash again."""
        jwe = json.loads(json.dumps(self.jwe))
        change(jwe)
        return replace(self, jwe=jwe, said={**self.said, "hash": hash_of(jwe)})

    def saying(self, **changes: Any) -> "Forged":
        """Say something else of the same content."""
        return replace(self, said={**self.said, **changes})

    def stating(self, **facts: Any) -> "Forged":
        """State other facts of the same content."""
        return self.saying(facts={**self.said["facts"], **facts})

    def seal(self) -> str:
        """The header, signed."""
        return jws.sign_compact(strict_json.write(self.said), self.key, typ=ORIGIN_SEAL_TYP)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Those of a good request."""
        return [JOSE, ("Origin-Seal", self.seal())]


def hash_of(jwe: Document) -> str:
    """Compute the content hash of whatever it is."""
    text = ".".join(str(jwe.get(name)) for name in HASHED)
    return base64url.encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def forge(one: Arena, document: Document | None = None, **route: Any) -> Forged:
    """Seal anything to the keys of the desks that it names; ``route`` differs from the inside."""
    document = message() if document is None else document
    key, now = one.world.holdings[FISCALIA].signature, datetime.now(UTC)
    signed = sign_message(as_bytes(document), key, agency=FISCALIA, now=now)
    to = document["to"]
    outside = SealRoute(
        **{
            "message_id": document["id"],
            "origin": Country.MEXICO,
            "agency": "fgr",
            "countries": tuple(Country(each) for each in to["countries"]),
            "compartment": Compartment(to["compartment"]),
            "kind": Kind(document["kind"]),
            "version": document["version"],
            "created": document["created"],
            "urgency": Urgency(document["urgency"]),
            "expires": document["expires"],
            **route,
        }
    )
    desks = [
        DeskRef(country=each, compartment=outside.compartment or Compartment.INTELLIGENCE)
        for each in outside.countries
    ]
    directory = one.gateway.directory.current
    made = seal(
        SignedContent(body=signed.body, signature=signed.signature),
        outside,
        [directory.encryption_key(desk, now) for desk in desks],
        secrets.token_bytes,
    )
    assert made.facts_salt is not None
    said = {
        "mid": outside.message_id,
        "org": "MX/fgr",
        "sch": f"{outside.kind}/{outside.version}",
        "hash": made.content_hash,
        "facts": facts_form.to_json(facts_of(document)),
        "salt": base64url.encode(made.facts_salt),
        "iat": int(now.timestamp()),
    }
    return Forged(jwe=json.loads(made.jwe), said=said, key=key)


async def post(one: Arena, forged: Forged, query: str = "", by: AgencyRef = FISCALIA) -> Answer:
    """Post it as its agency."""
    return await one.attacker(by).call(
        "POST", f"/v1/messages{query}", headers=forged.headers, body=forged.body
    )


def spoil(path: str, value: Any) -> Change:
    """Put a value in the place of another; ``a/0/b`` is a path."""

    def change(jwe: Document) -> None:
        *parents, name = path.split("/")
        place: Any = jwe
        for each in parents:
            place = place[int(each)] if isinstance(place, list) else place[each]
        place[name] = value(place.get(name)) if callable(value) else value

    return change


def in_protected(**changes: Any) -> Change:
    """Change the protected header."""

    def change(jwe: Document) -> None:
        members = {**json.loads(base64url.decode(jwe["protected"])), **changes}
        jwe["protected"] = base64url.encode(strict_json.write(members))

    return change


async def arrives(running: Running) -> bool:
    """Post an honest message; True if its desk receives it."""
    sent = await running.post(message())

    received = await running.receive(GT_DESK)

    return sent in [each["message"]["id"] for each in received]
