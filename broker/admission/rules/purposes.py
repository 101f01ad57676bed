"""SG-06: a compartment is used for what it is for. And: without rules, nothing goes."""

from typing import Final

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import Destination, refusal
from broker.errors import Code
from broker.model.message import Envelope

NAME: Final = "SG-06"
POLICY: Final = "policy"


def there_are_rules(_: Envelope, __: Destination, now: Circumstances) -> None:
    """A policy is in force; an empty or unreadable one denies everything."""
    if now.policy.denies_all:
        raise refusal(Code.POLICY_DENIES_ALL, "", rule=POLICY)


def purpose_fits(message: Envelope, destination: Destination, now: Circumstances) -> None:
    """The purpose is one that the compartment serves."""
    if not now.policy.serves(destination.compartment, message.facts.purpose):
        raise refusal(Code.PURPOSE_DENIED, "/purpose/code", rule=NAME)
