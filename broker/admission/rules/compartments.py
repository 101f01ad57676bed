"""SG-02: the function of an agency decides which compartments it sends to and reads."""

from collections.abc import Iterable
from typing import Final

from broker.admission.circumstances import Circumstances
from broker.admission.policy import Policy
from broker.admission.recipients import Destination, refusal
from broker.admission.rules.rule import pointer_to, pointer_to_compartment
from broker.directory import AgencyRecord, Directory
from broker.errors import Code
from broker.model.message import Envelope
from broker.model.names import AgencyRef
from keys.charter import Charter
from schemas.vocabulary import Compartment, Country

NAME: Final = "SG-02"


def kind_fits(message: Envelope, destination: Destination, now: Circumstances) -> None:
    """The kind of the message goes into the compartment."""
    if not now.policy.takes(destination.compartment, message.kind):
        pointer = pointer_to_compartment(message)
        raise refusal(Code.COMPARTMENT_DENIED, pointer, rule=NAME)


def sender_sends(message: Envelope, destination: Destination, now: Circumstances) -> None:
    """The sender's function sends into the compartment."""
    agency = now.directory.agency(message.sender)
    # An agency that left between its token and its message is no agency any more.
    if agency is None or not now.policy.sends(agency.function, destination.compartment):
        pointer = pointer_to_compartment(message)
        raise refusal(Code.COMPARTMENT_DENIED, pointer, rule=NAME)


def known_sender_sends(message: Envelope, destination: Destination, now: Circumstances) -> None:
    """The same at a desk, which may open what an agency wrote before it left."""
    if now.directory.agency(message.sender) is not None:
        sender_sends(message, destination, now)


def somebody_reads(message: Envelope, destination: Destination, now: Circumstances) -> None:
    """A desk that needs a reader has one, who may read this."""
    if destination.compartment not in now.policy.needs_reader:
        return
    for route in destination.routes:
        agencies = _agencies_of(route.desk.country, now.directory)
        if not any(_may_read(each, message, destination, now.policy) for each in agencies):
            raise refusal(
                Code.COMPARTMENT_DENIED, pointer_to(message, route.desk.country), rule=NAME
            )


def members_read(message: Envelope, destination: Destination, now: Circumstances) -> None:
    """Every agency that a charter names for a member may read what goes over the channel."""
    charter = destination.charter
    if charter is None:
        return
    members = {route.desk.country for route in destination.routes} | {message.sender.country}
    if forbidden_readers(charter, members, now.directory, now.policy):
        raise refusal(Code.COMPARTMENT_DENIED, "/to/channel", rule=NAME)


def forbidden_readers(
    charter: Charter, members: Iterable[Country], directory: Directory, policy: Policy
) -> tuple[AgencyRef, ...]:
    """Name the agencies in a charter that may not read its compartment.

    One that the directory does not know counts among them: nobody knows what it is for. So does
    one that reads only what names it: in a channel everybody reads everything.
    """
    named = (
        AgencyRef(country=country, agency=agency)
        for country in sorted(members)
        for agency in charter.members.get(country, ())
    )
    return tuple(
        ref for ref in named if not _reads_all(directory.agency(ref), charter.compartment, policy)
    )


def _reads_all(agency: AgencyRecord | None, compartment: Compartment, policy: Policy) -> bool:
    return (
        agency is not None
        and policy.reads(agency.function, compartment)
        and agency.function not in policy.reads_addressed
    )


def _may_read(
    agency: AgencyRecord, message: Envelope, destination: Destination, policy: Policy
) -> bool:
    is_addressed = message.facts.addressed_to == agency.ref
    return policy.reads_kind(
        agency.function, message.kind, destination.compartment, addressed=is_addressed
    )


def _agencies_of(country: Country, directory: Directory) -> Iterable[AgencyRecord]:
    return (each for each in directory.record.agencies if each.ref.country is country)
