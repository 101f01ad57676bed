"""What the scenes of the second act share: the people, the ledger, the screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from rich.console import Console

from broker.demo.cast import Scene
from broker.demo.desks import Desks
from broker.demo.progress import Progress
from broker.demo.proofs import Check
from broker.demo.scenario import Outcome, Stage
from broker.demo.senders import Senders, follow, post_all
from broker.demo.summary import print_check
from broker.demo.words import Words
from broker.desk.failures import DeskError
from broker.errors import ConfigurationError
from broker.model.names import DeskRef, MessageId, QueueName, channel_queue
from broker.sandbox.world import Plan, World
from keys.charter import ChannelName, Charter
from schemas.loader import SchemaSet

GROUP: Final = ChannelName("hlsg-mx-gt")
TRINATIONAL: Final = ChannelName("trinational-pa-cr-do")
JOINT_OPERATION: Final = ChannelName("joint-operation")
ON_STAGE: Final = frozenset({GROUP, TRINATIONAL, JOINT_OPERATION})
"""Of the channels that the exchange has; somebody writes to these."""
DEADLINE: Final = timedelta(seconds=30)
"""For one scene's messages; a free machine takes half a second."""


class Unseen:
    """A board that nobody looks at: a scene tells its story itself."""

    def changed(self, progress: Progress) -> None:
        """See ``Board.changed``."""


class NotDeliveredError(DeskError):
    """A message of the second act did not reach all its desks; the text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Where the second act is played."""

    world: World
    words: Words
    console: Console
    senders: Senders
    desks: Desks
    """At work since the first act, among them those of all members of channels."""
    followed: dict[MessageId, Progress]
    """Messages that the desks tell of when they open them."""
    charters: Mapping[ChannelName, Charter]
    schemas: SchemaSet
    checks: list[Check] = field(default_factory=list)
    """What was seen so far."""

    def charter(self, name: ChannelName) -> Charter:
        """One of the channels."""
        if name not in self.charters:
            raise ConfigurationError(f"the channel {name} is missing")
        return self.charters[name]

    def label(self, name: str, code: str) -> str:
        """Say a code of a list in the reader's language."""
        codes = self.schemas.code_lists()[name].codes
        labels = next((each.labels for each in codes if each.code == code), {})
        return labels.get(self.words.language, code).lower()

    async def deliver(self, scenes: Sequence[Scene]) -> list[Progress]:
        """Post messages, and return when every desk has opened them and signed.

        Raises:
            NotDeliveredError: One was refused, or did not reach everybody.
        """
        under_way = [Progress(scene=scene) for scene in scenes]
        self.followed.update({one.scene.id: one for one in under_way})
        await post_all(self.senders, under_way, Unseen())
        await follow(
            self.senders,
            under_way,
            Unseen(),
            until=lambda one: one.is_finished,
            deadline=DEADLINE,
        )
        self.desks.check()
        for one in under_way:
            if not one.is_complete:
                raise NotDeliveredError(f"{one.scene.kind} {one.scene.name}: {one.failure}")
        return under_way

    def title(self, key: str) -> None:
        """Begin a scene on the screen."""
        self.console.print()
        self.console.print(self.words.text(key), style="bold", soft_wrap=True, markup=False)

    def tell(self, key: str, **values: object) -> None:
        """Tell one thing that happened."""
        line = self.words.text(key, **values) if values else self.words.text(key)
        self.console.print(f"    {line}", soft_wrap=True, markup=False)

    def see(self, key: str, *, holds: bool, **values: object) -> None:
        """Show one thing that must hold, and whether it does."""
        check = Check(key=key, holds=holds, values=values)
        self.checks.append(check)
        print_check(self.console, check, self.words)


def house_of(stage: Stage, plan: Plan, outcome: Outcome, console: Console) -> House:
    """Let the second act begin where the first one has ended."""
    return House(
        world=stage.world,
        words=stage.words,
        console=console,
        senders=outcome.senders,
        desks=outcome.desks,
        followed=outcome.followed,
        schemas=SchemaSet.load(),
        charters={charter.channel: charter for charter in plan.channels},
    )


def members_of(plan: Plan) -> frozenset[DeskRef]:
    """The desks that read a channel of the second act."""
    return frozenset(
        DeskRef(country=country, compartment=charter.compartment)
        for charter in plan.channels
        if charter.channel in ON_STAGE
        for country in charter.members
    )


def queues_of(plan: Plan) -> list[QueueName]:
    """All queues: one for each pair, and one for each member of a channel."""
    return [
        *(pair.queue for pair in plan.pairs),
        *(
            channel_queue(charter.channel, country)
            for charter in plan.channels
            for country in charter.members
        ),
    ]
