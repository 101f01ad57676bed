"""The contract of recording what relies on an earlier message, when that is recalled (SG-05)."""

from dataclasses import replace
from typing import cast

import pytest
from sqlalchemy import Connection

from broker.model.message import Acceptance
from broker.model.names import LogPosition
from broker.ports.messages import IdTaken, Overtaken, Recorded
from broker.storage.ledger import Ledger
from broker.storage.messages import Recording, record_all
from broker.storage.transaction import Transaction
from schemas.vocabulary import Country, Kind
from tests.contract.ledger.test_grants import granting
from tests.contract.ledger.test_recalls import taking_back
from tests.contract.ledger.world import Maker, World


async def relied_on(ledger: Ledger, subject: Acceptance) -> frozenset[LogPosition]:
    """What a rule goes by that asks for this message now."""
    [known] = (await ledger.messages.known({subject.message_id}))[subject.message_id]
    return known.not_recalled


@pytest.mark.parametrize("taken_back", ["the permission", "the message"])
async def test_record_refuses_what_relies_on_what_was_recalled_since(
    ledger: Ledger, make: Maker, taken_back: str
) -> None:
    """A permission lets nothing pass once its recall has a receipt; judged anew, it may go."""
    subject = make.acceptance()
    await ledger.messages.record(subject, sign=make.sign)
    permission = granting(make, subject.message_id, to=frozenset({Country.PANAMA}))
    await ledger.messages.record(permission, sign=make.sign)
    handed_on = replace(make.acceptance(), relies_on=await relied_on(ledger, subject))
    in_time = replace(make.acceptance(), relies_on=handed_on.relies_on)
    recalled = permission if taken_back == "the permission" else subject
    corrected = taking_back(make, recalled, Kind.RECTIFICATION)

    await ledger.messages.record(corrected, sign=make.sign)
    before = await ledger.messages.record(in_time, sign=make.sign)
    await ledger.messages.record(taking_back(make, recalled), sign=make.sign)
    after = await ledger.messages.record(handed_on, sign=make.sign)
    again = await ledger.messages.record(in_time, sign=make.sign)
    anew = replace(handed_on, relies_on=await relied_on(ledger, subject))
    at_last = await ledger.messages.record(anew, sign=make.sign)

    assert isinstance(before, Recorded)
    assert after == Overtaken()
    assert isinstance(again, Recorded)
    assert again.replayed
    assert isinstance(at_last, Recorded)
    assert not at_last.replayed


@pytest.mark.parametrize("recall_comes_first", [True, False])
async def test_record_refuses_what_a_recall_of_its_group_overtakes(
    world: World, ledger: Ledger, make: Maker, *, recall_comes_first: bool
) -> None:
    """Committed together, they count in their order all the same."""
    subject = make.acceptance()
    await ledger.messages.record(subject, sign=make.sign)
    handed_on = replace(make.acceptance(), relies_on=await relied_on(ledger, subject))
    group = [taking_back(make, subject), handed_on]
    if not recall_comes_first:
        group.reverse()

    def together(connection: Connection) -> object:
        transaction = Transaction(connection, exclusive=True)
        wanted = [Recording(acceptance=one, sign=make.sign) for one in group]
        answers = record_all(transaction, wanted)
        transaction.finish()
        return answers

    answers = cast("list[Recorded | IdTaken | Overtaken]", await world.run(together))

    is_recorded = [isinstance(each, Recorded) for each in answers]
    assert is_recorded == ([True, False] if recall_comes_first else [True, True])
