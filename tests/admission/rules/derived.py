"""Messages that derive from what Guatemala restricted, and what is answered to them."""

from datetime import timedelta

from broker.model.facts import Grant
from broker.model.message import Message
from tests.admission.region import H2, MX, NOW, PARTNER, SV, desk, known, message, message_id_of


def derived(*numbers: int, **more: object) -> Message:
    """A message that derives from these."""
    defaults: dict[str, object] = {"handling": H2, "to": (SV,), "purpose": "investigation"}
    lineage = tuple(message_id_of(each) for each in numbers)
    return message(lineage=lineage, **{**defaults, **more})  # type: ignore[arg-type] # checked there


UNKNOWN = ("reference-unknown", "SG-05", "/lineage/0")
DENIED = ("originator-denied", "SG-05", "/to/countries/0")
FROM_GT = known(1, PARTNER, desk(MX), handling=H2)
GRANT = Grant(
    of=frozenset({message_id_of(1)}),
    to_countries=frozenset({SV}),
    purposes=frozenset({"investigation"}),
    until=NOW + timedelta(days=1),
)
