"""Replies stay where their question came from, and nobody learns of what is not his."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from broker.admission.circumstances import Circumstances
from broker.admission.policy import STANDARD_POLICY
from broker.admission.recipients import Destination
from broker.admission.threads import check_thread
from broker.errors import Code, PermissionDeniedError
from broker.model.facts import KnownMessage
from broker.model.message import Address, Envelope, Route
from broker.model.names import AgencyRef, DeskRef, MessageId, QueueName
from keys.charter import ChannelName
from schemas.vocabulary import AgencyFunction, Compartment, Country, HandlingCode, Kind

MX, GT, HN, SV = Country.MEXICO, Country.GUATEMALA, Country.HONDURAS, Country.EL_SALVADOR
ASKED = MessageId("0193574e-0000-7000-8000-000000000001")
TRIO, OTHER = ChannelName("trio"), ChannelName("other")
INTELLIGENCE, JUDICIAL, PROTECTION = Compartment


def asked(sender: Country = MX, *to: Country, **changes: Any) -> KnownMessage:
    """What is known of the question: Mexico's to Guatemala, unless said otherwise."""
    compartment = changes.get("compartment", INTELLIGENCE)
    whole: dict[str, Any] = {
        "id": ASKED,
        "sender": AgencyRef(country=sender, agency="fgr"),
        "kind": Kind.INFORMATION_REQUEST,
        "handling": HandlingCode.H1,
        "compartment": compartment,
        "channel": None,
        "purpose": "investigation",
        "evaluation": None,
        "roots": frozenset({ASKED}),
        "desks": frozenset(desk(country, compartment) for country in to or (GT,)),
        **changes,
    }
    return KnownMessage(**{"held_by": whole["desks"], **whole})


def desk(country: Country, compartment: Compartment = INTELLIGENCE) -> DeskRef:
    """A country's desk."""
    return DeskRef(country=country, compartment=compartment)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Guatemala's answer to Mexico, unless said otherwise."""

    sender: Country = GT
    to: tuple[Country, ...] = (MX,)
    compartment: Compartment = INTELLIGENCE
    channel: ChannelName | None = None
    in_reply_to: MessageId | None = ASKED
    function: AgencyFunction = AgencyFunction.PROSECUTION
    known: Mapping[MessageId, Sequence[KnownMessage]] = field(
        default_factory=lambda: {ASKED: [asked()]}
    )

    def check(self) -> None:
        """Ask whether it may go there."""
        is_pair = self.channel is None
        message = SimpleNamespace(
            sender=AgencyRef(country=self.sender, agency="mp"),
            to=Address(
                countries=self.to if is_pair else (),
                compartment=self.compartment if is_pair else None,
                channel=self.channel,
            ),
            facts=SimpleNamespace(in_reply_to=self.in_reply_to),
        )
        routes = tuple(
            Route(desk=desk(each, self.compartment), queue=QueueName("q"), rule="r")
            for each in self.to
        )
        destination = Destination(compartment=self.compartment, routes=routes)
        around = SimpleNamespace(
            known=self.known,
            policy=STANDARD_POLICY,
            directory=SimpleNamespace(agency=lambda _: SimpleNamespace(function=self.function)),
        )
        check_thread(cast("Envelope", message), destination, cast("Circumstances", around))


IN_TRIO = {ASKED: [asked(MX, GT, HN, channel=TRIO)]}
ALLOWED = {
    "no reply": Reply(in_reply_to=None, known={}),
    "back to who asked": Reply(),
    "back to who asked, and to another who was asked": Reply(
        to=(HN, MX), known={ASKED: [asked(MX, GT, HN)]}
    ),
    "to an own question, to others as well": Reply(sender=MX, to=(HN, GT)),
    "of two messages of that id, to whom the wider one reached": Reply(
        to=(MX, HN), known={ASKED: [asked(), asked(MX, GT, HN)]}
    ),
    "in its channel": Reply(channel=TRIO, known=IN_TRIO, to=(HN, MX)),
    "to an own question, in its channel": Reply(sender=MX, channel=TRIO, known=IN_TRIO, to=(GT,)),
    "more to who has the first": Reply(sender=MX, to=(GT,)),
    "in protection, by who reads there": Reply(
        known={ASKED: [asked(compartment=Compartment.PROTECTION)]},
        compartment=Compartment.PROTECTION,
        function=AgencyFunction.CHILD_PROTECTION,
    ),
    "to one's own, in protection": Reply(
        sender=MX,
        to=(GT,),
        known={
            ASKED: [
                replace(
                    asked(compartment=Compartment.PROTECTION),
                    sender=AgencyRef(country=MX, agency="mp"),
                )
            ]
        },
        compartment=Compartment.PROTECTION,
    ),
    "of two messages of that id, to one's own": Reply(
        known={ASKED: [asked(SV, HN), asked(HN, GT, channel=OTHER), asked()]}
    ),
}
ELSEWHERE = {
    "to another country": Reply(to=(HN,)),
    "to who asked, in another compartment": Reply(compartment=JUDICIAL),
    "of a pair, into a channel": Reply(channel=TRIO),
    "of a channel, to who asked": Reply(known=IN_TRIO),
    "of a channel, into another": Reply(known=IN_TRIO, channel=OTHER),
    "more to who has not the first": Reply(sender=MX, to=(HN,)),
    "more in another compartment": Reply(sender=MX, to=(GT,), compartment=JUDICIAL),
    "to who was asked, and not to who asked": Reply(to=(HN,), known={ASKED: [asked(MX, GT, HN)]}),
}
STRANGERS: dict[str, tuple[Reply, str]] = {
    "back to who asked, and to one who was not": (Reply(to=(MX, HN)), "/to/countries/1"),
    "to all who were asked, and one more": (
        Reply(to=(MX, SV, HN), known={ASKED: [asked(MX, GT, SV)]}),
        "/to/countries/2",
    ),
    "of two messages of that id, half by each": (
        Reply(to=(MX, HN), known={ASKED: [asked(), asked(HN, GT)]}),
        "/to/countries/1",
    ),
}
IN_PROTECTION = {ASKED: [asked(compartment=PROTECTION)]}
UNKNOWN = {
    "of the protection desk next door": Reply(known=IN_PROTECTION),
    "of the protection desk next door, into protection": Reply(
        known=IN_PROTECTION, compartment=PROTECTION
    ),
    "what a neighbour asked in protection": Reply(sender=MX, to=(GT,), known=IN_PROTECTION),
    "nobody's": Reply(known={}),
    "of others": Reply(sender=HN),
    "of others, by their channel": Reply(sender=SV, channel=TRIO, known=IN_TRIO),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_check_thread_names_who_was_not_asked(name: str) -> None:
    """What one country asked another in private is not answered to a third."""
    reply, pointer = STRANGERS[name]

    with pytest.raises(PermissionDeniedError) as caught:
        reply.check()

    assert (caught.value.code, caught.value.rule) == (Code.THREAD_ELSEWHERE, "SG-13")
    assert [each.pointer for each in caught.value.problems] == [pointer]


@pytest.mark.parametrize("name", ALLOWED)
def test_check_thread_lets_a_reply_back(name: str) -> None:
    """Where it was asked it may be answered."""
    ALLOWED[name].check()


@pytest.mark.parametrize(
    ("name", "reply", "code"),
    [
        *((name, one, Code.THREAD_ELSEWHERE) for name, one in ELSEWHERE.items()),
        *((name, one, Code.REFERENCE_UNKNOWN) for name, one in UNKNOWN.items()),
    ],
)
def test_check_thread_refuses_a_reply(name: str, reply: Reply, code: Code) -> None:
    """Elsewhere it is another message; and what is not one's own does not exist."""
    with pytest.raises(PermissionDeniedError) as caught:
        reply.check()

    assert (name, caught.value.code, caught.value.rule) == (name, code, "SG-13")
    assert [(each.pointer, each.code) for each in caught.value.problems] == [
        ("/in_reply_to", code.value)
    ]


def test_check_thread_says_the_same_of_a_foreign_message_as_of_none() -> None:
    """Whoever tries ids learns nothing."""
    errors = []
    for reply in UNKNOWN.values():
        with pytest.raises(PermissionDeniedError) as caught:
            replace(reply, in_reply_to=ASKED).check()
        errors.append((caught.value.code, caught.value.problems, caught.value.rule))

    assert errors.count(errors[0]) == len(errors)
