"""Answers to a recall: only the desk that calls can answer, for itself, and with a reason."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from broker.admission.dispose import verify_disposition
from broker.errors import Code, RefusedError
from broker.model.answers import DeskDisposition
from broker.model.names import AgencyRef, DeskRef
from keys.key import SigningKey
from schemas.vocabulary import Compartment, Country, Disposition, KeptReason
from tests.admission.credentials import DROP, NOW, SECONDS, RsaKey, changed, token
from tests.admission.test_acknowledge import DESK, KEY, KEYS, RSA_KEY, WALLED_KEY

JUDICIAL = DeskRef(country=Country.GUATEMALA, compartment=Compartment.JUDICIAL)
PAYLOAD = {
    "mid": "0192d3b4-0000-7000-8000-000000000002",
    "org": "MX/fgr",
    "of": "0192d3b4-0000-7000-8000-000000000001",
    "hash": "h" * 43,
    "desk": "GT.intelligence",
    "disposition": "destroyed",
    "iat": SECONDS,
}
KEPT = {"disposition": "kept", "because": "court_order"}
TODAY = NOW.date()


def sign(
    *, key: SigningKey | RsaKey = KEY, header: dict[str, Any] | None = None, **members: Any
) -> str:
    """Sign a disposition; each keyword replaces a good member."""
    good = {"alg": key.algorithm.value, "kid": key.kid, "typ": "enlace-disposition+jws"}
    return token(
        changed(good, header or {}),
        changed(PAYLOAD, members),
        key,  # type: ignore[arg-type] # an RSA key signs all the same
    )


def verify(answer: str, *, desk: DeskRef = DESK) -> DeskDisposition:
    """Check an answer."""
    return verify_disposition(answer, desk=desk, find_key=KEYS.get, now=NOW)


@pytest.mark.parametrize("disposition", [Disposition.DESTROYED, Disposition.CORRECTED])
@pytest.mark.parametrize("iat", [0, SECONDS, SECONDS + 60])
def test_verify_reads_a_disposition_when_the_desk_signed_it(
    disposition: Disposition, iat: int
) -> None:
    """All of it, and the token as it came: it is the evidence."""
    signed = sign(disposition=disposition.value, iat=iat)

    answer = verify(signed)

    assert (answer.desk, answer.recall, answer.subject) == (DESK, PAYLOAD["mid"], PAYLOAD["of"])
    assert answer.origin == AgencyRef(country=Country.MEXICO, agency="fgr")
    assert (answer.content_hash, answer.disposition) == ("h" * 43, disposition)
    assert (answer.because, answer.until, answer.token) == (None, None, signed)
    assert answer.answered_at.timestamp() == iat


@pytest.mark.parametrize("reason", KeptReason)
@pytest.mark.parametrize("until", [None, TODAY, date(TODAY.year + 5, TODAY.month, TODAY.day)])
def test_verify_reads_why_something_is_kept(reason: KeptReason, until: date | None) -> None:
    """A reason of the list, and perhaps a day."""
    end = {} if until is None else {"until": until.isoformat()}

    answer = verify(sign(disposition="kept", because=reason.value, **end))

    assert (answer.disposition, answer.because, answer.until) == (
        Disposition.KEPT,
        reason,
        until,
    )


INVALID: dict[str, Callable[[], str]] = {
    "an acknowledgement": lambda: sign(header={"typ": "enlace-ack+jws"}),
    "no typ": lambda: sign(header={"typ": DROP}),
    "alg none": lambda: sign(header={"alg": "none"}),
    "an RSA key": lambda: sign(key=RSA_KEY),
    "unknown kid": lambda: sign(header={"kid": "GT-desk-intelligence-9"}),
    "the other compartment's key": lambda: sign(key=WALLED_KEY),
    "the other compartment's key and name": lambda: sign(key=WALLED_KEY, desk="GT.protection"),
    "another desk": lambda: sign(desk="GT.judicial"),
    "no desk": lambda: sign(desk=DROP),
    "no subject": lambda: sign(of=DROP),
    "no recall": lambda: sign(mid=DROP),
    "no hash": lambda: sign(hash=DROP),
    "no origin": lambda: sign(org=DROP),
    "no time": lambda: sign(iat=DROP),
    "one member more": lambda: sign(note="x"),
    "an id in capitals": lambda: sign(mid=str(PAYLOAD["mid"]).upper()),
    "an id of another version": lambda: sign(of="0192d3b4-0000-4000-8000-000000000001"),
    "a number for an id": lambda: sign(of=1),
    "a short hash": lambda: sign(hash="h" * 42),
    "a country unknown": lambda: sign(org="XX/fgr"),
    "an agency in capitals": lambda: sign(org="MX/FGR"),
    "no agency": lambda: sign(org="MX"),
    "a disposition unknown": lambda: sign(disposition="lost"),
    "no disposition": lambda: sign(disposition=DROP),
    "kept without a reason": lambda: sign(disposition="kept"),
    "kept for a reason unknown": lambda: sign(disposition="kept", because="forgot"),
    "kept for a number": lambda: sign(disposition="kept", because=1),
    "destroyed with a reason": lambda: sign(because="court_order"),
    "destroyed until": lambda: sign(until="2099-01-01"),
    "kept until yesterday": lambda: sign(
        **KEPT, until=date.fromordinal(TODAY.toordinal() - 1).isoformat()
    ),
    "kept for six years": lambda: sign(**KEPT, until=f"{TODAY.year + 6}-01-01"),
    "kept until no day": lambda: sign(**KEPT, until="2027-02-30"),
    "kept until a moment": lambda: sign(**KEPT, until=NOW.isoformat()),
    "kept until a week": lambda: sign(**KEPT, until="2027-W01-1"),
    "from the future": lambda: sign(iat=SECONDS + 61),
    "from before all time": lambda: sign(iat=-1),
    "a time that is true": lambda: sign(iat=True),
    "a time with a fraction": lambda: sign(iat=SECONDS + 0.5),
    "too long": lambda: sign(header={"x": "x" * 2048}),
    "nothing": lambda: "",
    "no token": lambda: "a.b.c",
}


@pytest.mark.parametrize("name", INVALID)
def test_verify_refuses_a_disposition(name: str) -> None:
    """One answer, whatever is wrong."""
    with pytest.raises(RefusedError) as refused:
        verify(INVALID[name]())

    assert refused.value.code is Code.DISPOSITION_INVALID


def test_verify_refuses_a_disposition_that_another_desk_brings() -> None:
    """A token that leaked is of no use to any other desk."""
    with pytest.raises(RefusedError):
        verify(sign(), desk=JUDICIAL)
