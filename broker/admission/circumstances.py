"""On what does a decision depend, beside the message itself?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from broker.admission.policy import Policy
from broker.directory import Directory
from broker.model.facts import KnownMessage
from broker.model.names import MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """All that a decision depends on beside the message itself."""

    directory: Directory
    policy: Policy
    now: datetime
    is_sealed: bool = False
    """Whether its origin has sealed it, so that the facts are its word."""
    known: Mapping[MessageId, Sequence[KnownMessage]] = field(default_factory=dict)
    """What is known of the messages that this one names, and of where their lineage ends."""
