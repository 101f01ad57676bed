"""Which earlier messages does this one derive from, as far as its sender may know them?"""

from collections.abc import Iterator, Mapping, Sequence

from broker.admission.circumstances import Circumstances
from broker.model.facts import KnownMessage
from broker.model.message import Envelope
from broker.model.names import MessageId


def parents(message: Envelope, now: Circumstances) -> Iterator[tuple[int, KnownMessage]]:
    """Give each message that ``lineage`` names, with its place there."""
    for index, message_id in enumerate(message.facts.lineage):
        for one in now.known.get(message_id, ()):
            if may_know(message, one, now):
                yield index, one


def ancestry(message: Envelope, now: Circumstances) -> Iterator[KnownMessage]:
    """Give those that it names, and those where their lineage ends.

    The sender need not know the latter: who only passes on what was passed on to him is held to
    the first originator's word all the same.
    """
    named = [one for _, one in parents(message, now)]
    yield from named
    for one in named:
        yield from _ends(one, now)


def may_know(message: Envelope, one: KnownMessage, now: Circumstances) -> bool:
    """Whether the sender may have read it: its own, or one that its country sent or received.

    And only in a compartment, and of a kind, that the sender's function reads: else the answer
    would tell police which messages lie at the protection desk next door. Who reads only what
    names him may know what could have: whom an earlier message named, nobody keeps.
    """
    if one.sender == message.sender:
        return True
    agency = now.directory.agency(message.sender)
    country = message.sender.country
    is_there = one.sender.country is country or any(desk.country is country for desk in one.held_by)
    return (
        is_there
        and agency is not None
        and now.policy.reads_kind(agency.function, one.kind, one.compartment, addressed=True)
    )


def roots_of(message: Envelope, now: Circumstances) -> frozenset[MessageId]:
    """Where does its lineage end? In itself, if it has none (SG-11)."""
    found = frozenset(root for _, one in parents(message, now) for root in one.roots)
    return found or frozenset({message.id})


def unknown_roots(
    named: Mapping[MessageId, Sequence[KnownMessage]],
) -> frozenset[MessageId]:
    """Which messages must be looked up as well, once those that are named are known?"""
    return frozenset(
        root for known in named.values() for one in known for root in one.roots
    ) - frozenset(named)


def _ends(one: KnownMessage, now: Circumstances) -> Iterator[KnownMessage]:
    for root in sorted(one.roots - {one.id}):
        yield from now.known.get(root, ())
