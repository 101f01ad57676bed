"""Does a receipt prove that a message went to those for whom its sender has closed it?"""

from collections.abc import Sequence

import pytest

from broker.desk.receipts import ReceiptCheck, Sent
from broker.desk.wire import Recipient
from broker.errors import EvidenceError
from broker.model.names import NO_KEY
from keys.identifiers import KeyId
from tests.desk import world
from tests.desk.world import DESK, FISCALIA, HandOverParts

KEY, NEXT = KeyId("GT-int-enc-1"), KeyId("GT-int-enc-2")
RECEIPTS = ReceiptCheck(keys=world.trust().receipt_keys, issuer=world.ISSUER)


def check(kids: Sequence[KeyId], *, named: KeyId = KEY) -> None:
    """Hold a receipt that names this key against what the sender has sealed."""
    token = HandOverParts(event={"recipients": {DESK: named}}).to_json()["receipt"]
    recipient = Recipient(desk=DESK, rule="open-pair", sealed=named != NO_KEY)
    sent = Sent(message_id=world.message_id(), origin=FISCALIA, desks=frozenset({DESK}), kids=kids)
    RECEIPTS.check_accepted(token, sent, recipients=[recipient], replayed=True)


def test_accepted_proves_the_keys_that_the_sender_sealed_to() -> None:
    """Also that nobody got a copy, where nobody has a key."""
    check([KEY])
    check([], named=NO_KEY)


@pytest.mark.parametrize(
    ("kids", "named"),
    [([NEXT], KEY), ([KEY, NEXT], KEY), ([], KEY), ([KEY], NO_KEY)],
    ids=["another key", "one more", "none", "not sealed as it says"],
)
def test_accepted_proves_nothing_when_it_names_another_key(
    kids: Sequence[KeyId], named: KeyId
) -> None:
    """The sender has the sealed form before him, and the gateway cannot say otherwise."""
    with pytest.raises(EvidenceError):
        check(kids, named=named)
