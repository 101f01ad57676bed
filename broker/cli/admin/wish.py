"""What does an administrator want decided, as whom, and where?

Light, for every start loads it; what becomes of a wish stands in :mod:`broker.cli.admin.acting`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from keys.act_kind import ActKind, ActReason
from keys.charter import ChannelName
from keys.identifiers import KeyId
from keys.strict_json import JsonObject

if TYPE_CHECKING:
    from broker.directory import Directory
    from broker.storage.ledger import Ledger

Check: TypeAlias = "Callable[[Ledger, Directory, datetime], Awaitable[None]]"
"""Asked before anything is signed; refuses by raising."""


async def no_check(_ledger: "Ledger", _directory: "Directory", _now: datetime) -> None:
    """Ask nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """As whom, where, and whether a person has said yes already."""

    key_file: Path
    passphrase_file: Path | None
    roots: Path | None
    ledger_url: str | None
    yes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be done."""

    kind: ActKind
    reason: ActReason = ActReason.ROUTINE
    keys: tuple[KeyId, ...] = ()
    pairs: tuple[str, ...] = ()
    policy: JsonObject | None = None
    charter: str | None = None
    """As TOML; without a version it is the next one of its channel."""
    channel: ChannelName | None = None
    of: str | None = None
    """The act that is answered: its id, or how it begins."""
    since: datetime | None = None
