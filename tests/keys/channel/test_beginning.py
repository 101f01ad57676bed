"""When does a channel begin, with whom, and under whose name?"""

from datetime import datetime

import pytest

from keys import channel as channels
from keys.act_kind import ActKind
from keys.channel import Channel, ChannelState
from keys.errors import ActError
from schemas.vocabulary import Compartment
from tests.keys.assembly import GT, LOCK, MX, NAME, PA, REVIEW, SECOND, SV, Life
from tests.keys.channel.attempts import CLOSE


def test_channel_begins_when_every_member_has_consented_and_its_lock_is_over(life: Life) -> None:
    """Proposed, consented, active, and not a second too early."""
    proposal = life.propose("MX ana", MX, GT)
    states = [life.state]
    life.consent(proposal, "MX luis")
    states.append(life.state)
    life.consent(proposal, "GT luis")
    states.append(life.state)
    life.wait(LOCK - SECOND)
    states.append(life.state)
    assert life.members == ""
    life.wait(SECOND)

    assert states == ["proposed", "proposed", "consented", "consented"]
    assert (life.state, life.members, life.version) == ("active", "GT MX", 1)
    assert life.channel.compartment is Compartment.INTELLIGENCE
    assert life.refused == []


def test_outline_is_the_charter_that_counts_or_else_the_one_that_may(life: Life) -> None:
    """Of several proposals the newest; then the one that all consented to; then what counts."""

    def title() -> str:
        charter = life.channel.outline(life.clock)
        return "" if charter is None else charter.title

    first = life.propose("MX ana", MX, GT, title="first")
    life.propose("MX ana", MX, GT, title="second")
    proposed = title()
    life.consent(first, "MX luis", "GT luis")
    consented = title()
    life.wait()
    life.propose("MX ana", MX, GT, version=2, title="next")

    assert (proposed, consented, title()) == ("second", "first", "first")


def test_decisions_change_next_when_a_charter_begins_and_when_its_review_is_due(
    life: Life,
) -> None:
    """Whoever waits for the next change is woken for both."""
    proposal = life.propose("MX ana", MX, GT)
    life.consent(proposal, "MX luis", "GT luis")

    begins = life.decisions.next_moment(life.clock)

    assert begins == life.clock + LOCK
    assert life.decisions.next_moment(begins) == life.clock + REVIEW
    assert life.decisions.next_moment(life.clock + REVIEW) is None


def test_channel_is_nothing_when_nobody_proposed_it(now: datetime) -> None:
    """No member, no compartment, no country."""
    channel = Channel(name=NAME)

    assert channel.state(now) is ChannelState.PROPOSED
    assert (channel.compartment, channel.countries) == (None, frozenset())
    assert channel.charter(now) is channel.outline(now) is None


def test_channel_of_refuses_an_act_about_no_channel(life: Life) -> None:
    """Nothing is guessed."""
    life.begin(MX, GT)
    life.do("MX ana", CLOSE)
    life.take_key("GT ana")
    charter, closed, about_a_key = (one.act for one in life.decisions.by_id.values())

    assert channels.channel_of(charter) == channels.channel_of(closed) == NAME
    with pytest.raises(ActError, match="names no channel"):
        channels.channel_of(about_a_key)


def test_name_goes_to_those_who_consented_first(life: Life) -> None:
    """A proposal reserves nothing; who is too late takes another name."""
    squatter = life.propose("SV ana", SV, PA)
    rightful = life.propose("MX ana", MX, GT)
    life.consent(squatter, "SV luis")
    life.consent(rightful, "MX luis", "GT luis")
    life.consent(squatter, "PA luis")
    life.wait()

    assert life.members == "GT MX"
    assert len(life.refused) == 1


def test_name_is_free_again_when_the_exchange_stops_a_squatter(life: Life) -> None:
    """The time-lock is long enough for somebody to notice."""
    squatter = life.propose("SV ana", SV, PA)
    life.consent(squatter, "SV luis", "PA luis")
    life.answer("GW ana", ActKind.CANCEL, squatter)
    life.begin(MX, GT)

    assert (life.members, life.refused) == ("GT MX", [])
