"""Pure. A channel as members of the exchange may see it: all that its signed acts say.

Charters lie in the directory's public list of signed documents, where every member verifies them;
so who is in which channel is no secret among members, and nothing is left out here.
"""

from datetime import datetime

from broker.model.names import Json
from keys.channel import Channel


def channel_view(channel: Channel, now: datetime) -> dict[str, Json] | None:
    """Show where a channel stands, with the charter that counts, or else the one that may.

    Its members are those of this moment: who has left is not among them.
    """
    charter = channel.outline(now)
    if charter is None:
        return None
    members = charter.members if channel.charter(now) is None else channel.members(now)
    return {
        **charter.to_json(),
        "state": channel.state(now).value,
        "review": charter.review.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "members": {country.value: list(names) for country, names in sorted(members.items())},
    }
