"""What does a desk hold a message against? Nothing in it comes with the message."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from broker.directory import Directory
from broker.model.names import MessageId
from keys.identifiers import KeyId
from keys.key import VerificationKey
from keys.root import Roots
from schemas.loader import SchemaSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a message is held against."""

    directory: Directory
    """Verified against the pinned roots."""
    receipt_keys: Mapping[KeyId, VerificationKey]
    """The gateway's, stated by the root of the exchange."""
    issuer: str
    """The gateway's name in its receipts."""
    schemas: SchemaSet
    find_lines: Callable[[Collection[MessageId]], Sequence[bytes]] = lambda _: ()
    """``Store.lines_of`` of the desk's own inbox: what it knows of earlier messages."""
    roots: Roots | None = None
    """Those that the directory was verified against, to tell which one is missing."""
