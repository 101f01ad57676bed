"""What can an administrator do, to what, and how many must agree?

Apart from :mod:`keys.act`, and without its cryptography, so that whoever only names an act is not
kept waiting for that.
"""

from enum import StrEnum
from typing import Final


class ActKind(StrEnum):
    """What is done."""

    SUSPEND = "suspend"
    """Take keys out at once; one person, ratified by a second."""
    COMPROMISE = "compromise"
    """Somebody else may hold these keys; one person, at once, ratified by a second."""
    CLOSE = "close"
    """Take nothing new for these pairs; one person."""
    ACTIVATE = "activate"
    """Let these encryption keys receive; two persons."""
    LIFT = "lift"
    """Let suspended keys count again; two persons."""
    DESTROY = "destroy"
    """The private halves may go; two persons."""
    OPEN = "open"
    """Let messages go these ways; two persons."""
    POLICY = "policy"
    """Ask something else of keys; two persons, of two owners."""
    SAFEGUARDS = "safeguards"
    """Let other rules say who may send what to whom; two persons, of two owners."""
    CHARTER = "charter"
    """Propose a channel, or another version of one; counts when each member has consented."""
    CONSENT = "consent"
    """Consent to a charter, for one's own country."""
    LEAVE_CHANNEL = "leave-channel"
    """Take one's own country out of a channel; one person."""
    SUSPEND_CHANNEL = "suspend-channel"
    """Let a channel take nothing new; one person."""
    RESUME_CHANNEL = "resume-channel"
    """Let a suspended channel go on; two persons."""
    CLOSE_CHANNEL = "close-channel"
    """End a channel for good; one person."""
    APPROVE = "approve"
    """Agree with somebody else's act."""
    CANCEL = "cancel"
    """Stop what was proposed and has not taken effect."""


class ActReason(StrEnum):
    """Why; a code, so that no case and no person is named here."""

    ROUTINE = "routine"
    LOST = "lost"
    STOLEN = "stolen"
    SUSPECTED = "suspected"
    LEFT = "left"
    MISTAKE = "mistake"


ON_KEYS: Final = frozenset(
    {ActKind.SUSPEND, ActKind.COMPROMISE, ActKind.ACTIVATE, ActKind.LIFT, ActKind.DESTROY}
)
ON_PAIRS: Final = frozenset({ActKind.OPEN, ActKind.CLOSE})
ON_POLICIES: Final = frozenset({ActKind.POLICY, ActKind.SAFEGUARDS})
ON_CHANNELS: Final = frozenset(
    {
        ActKind.LEAVE_CHANNEL,
        ActKind.SUSPEND_CHANNEL,
        ActKind.RESUME_CHANNEL,
        ActKind.CLOSE_CHANNEL,
    }
)
ON_ACTS: Final = frozenset({ActKind.APPROVE, ActKind.CANCEL, ActKind.CONSENT})
ALONE: Final = frozenset(
    {
        ActKind.SUSPEND,
        ActKind.COMPROMISE,
        ActKind.CLOSE,
        ActKind.CANCEL,
        ActKind.LEAVE_CHANNEL,
        ActKind.SUSPEND_CHANNEL,
        ActKind.CLOSE_CHANNEL,
    }
)
"""What takes effect by one person's word."""
RATIFIED: Final = frozenset({ActKind.SUSPEND, ActKind.COMPROMISE})
BY_ALL: Final = frozenset({ActKind.CHARTER})
"""What takes effect when every country concerned has consented."""
BY_TWO: Final = frozenset(ActKind) - ALONE - BY_ALL - {ActKind.APPROVE, ActKind.CONSENT}
