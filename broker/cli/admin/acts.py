"""What was decided, by whom, and where does it stand? Rows for people and programs."""

from collections.abc import Iterator
from datetime import datetime

from broker.cli.terminal import Record, moment
from broker.directory import Directory
from keys import strict_json
from keys.act import ActId, ActTerms
from keys.act_kind import RATIFIED
from keys.channel_outlook import missing
from keys.charter import Charter
from keys.decision import Decision

COLUMNS = ("id", "act", "what", "by", "approved_by", "effective_at", "state")


def act_rows(directory: Directory, now: datetime) -> Iterator[Record]:
    """Show every act that counts, in the order of arrival, then those that do not."""
    for name in directory.decisions.by_id:
        yield act_row(directory, name, now)
    for name, reason in directory.decisions.rejected:
        yield {
            "id": name,
            "act": None,
            "what": reason,
            "by": None,
            "approved_by": None,
            "effective_at": None,
            "state": "rejected",
        }


def act_row(directory: Directory, name: ActId, now: datetime) -> Record:
    """Show one act that counts."""
    found = directory.decisions.by_id[name]
    one = found.act
    seconds = [answer.by for answer in (found.approved_by, *found.consents) if answer is not None]
    return {
        "id": name,
        "act": one.kind.value,
        "what": what_of(one),
        "by": str(one.by),
        "reason": one.reason.value,
        "at": moment(one.at),
        "since": moment(one.since) if one.since is not None else None,
        "policy": one.policy,
        "charter": one.charter,
        "missing": [*missing(found)] if one.charter is not None else None,
        "approved_by": ", ".join(map(str, seconds)) or None,
        "effective_at": moment(found.effective_at) if found.effective_at is not None else None,
        "state": state_of(found, directory, now),
    }


def what_of(terms: ActTerms) -> str:
    """Say what an act is about, so that whoever approves knows it: keys, pairs, or what else."""
    if terms.policy is not None:
        return strict_json.write(terms.policy).decode("ascii")
    if terms.charter is not None:
        charter = Charter.from_json(terms.charter)
        return f"{charter.channel} {charter.version}: {', '.join(sorted(charter.members))}"
    if terms.channel is not None:
        return terms.channel
    return ", ".join([*terms.keys, *terms.pairs])


def state_of(found: Decision, directory: Directory, now: datetime) -> str:
    """Where does it stand? ``overdue``: nobody has agreed with it in the time that there was."""
    if found.cancelled_at is not None:
        return "cancelled"
    if found in directory.decisions.unratified(now):
        return "overdue"
    if found.effective_at is None:
        return "proposed"
    if found.effective_at > now:
        return "locked"
    waits = found.act.kind in RATIFIED and found.approved_by is None
    return "to-ratify" if waits else "in-force"
