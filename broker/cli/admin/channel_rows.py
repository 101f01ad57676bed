"""A channel, its charter and its history, as rows for people and programs."""

from collections.abc import Iterator
from datetime import datetime

from broker.admission.decided import policy_in_force
from broker.admission.rules.compartments import forbidden_readers
from broker.channel_view import channel_view
from broker.cli.admin.acts import act_row
from broker.cli.terminal import Record, Terminal, moment
from broker.directory import Directory
from broker.model.names import AgencyRef, DeskRef, Json
from keys.channel import Channel, charter_of, name_of
from keys.channel_outlook import ChannelTask, missing, tasks
from keys.charter import Charter

COLUMNS = ("channel", "version", "state", "compartment", "members", "review", "next")
CHARTER = (
    *("channel", "version", "state", "title", "purpose", "legal_basis", "compartment", "kinds"),
    *("ceiling", "sealing", "shows_recipients", "review", "conveners", "agencies", "next"),
)
CONSENTS = ("version", "country", "by", "at", "state")
CHANGES = ("at", "act", "what", "by", "approved_by", "effective_at", "state", "id")


def channel_rows(directory: Directory, now: datetime) -> Iterator[Record]:
    """Show where each channel stands."""
    for channel in directory.channels:
        row = channel_row(channel, directory, now)
        if row is not None:
            yield row


def channel_row(channel: Channel, directory: Directory, now: datetime) -> Record | None:
    """Show where a channel stands, by the charter that counts, or else the newest proposed."""
    view = channel_view(channel, now)
    if view is None:
        return None
    return {
        **view,
        "next": [_task(each) for each in tasks(channel, directory.decisions.policy(now), now)],
    }


def for_table(row: Record) -> Record:
    """The same with countries only: a table has no room for their agencies."""
    return {**row, "members": [*_members(row)]}


def for_people(row: Record) -> Record:
    """The same with agencies as they are written elsewhere: ``GT/mp``."""
    agencies = [
        f"{country}/{name}"
        for country, names in _members(row).items()
        if isinstance(names, list)
        for name in names
    ]
    return {**row, "agencies": [*agencies]}


def _members(row: Record) -> dict[str, Json]:
    members = row["members"]
    return members if isinstance(members, dict) else {}


def charter_row(charter: Charter) -> dict[str, Json]:
    """Show what a charter says."""
    return {**charter.to_json(), "review": moment(charter.review)}


def consent_rows(channel: Channel) -> Iterator[Record]:
    """Show who has consented to each version that waits, and who has not."""
    for one in channel.proposals:
        version = charter_of(one.act).version
        for answer in one.consents:
            yield _consent(version, answer.by.owner.value, str(answer.by), moment(answer.at))
        for country in missing(one):
            yield _consent(version, country.value, None, None)


def change_rows(channel: Channel, directory: Directory, now: datetime) -> Iterator[Record]:
    """Show every act about a channel, in the order of arrival, and who else agreed with it."""
    for name, one in directory.decisions.by_id.items():
        if name_of(one.act) == channel.name:
            yield act_row(directory, name, now)


def show_charter(charter: Charter, directory: Directory, terminal: Terminal) -> None:
    """Show a person what he is about to sign, and what would keep it from working."""
    row = charter_row(charter)
    for name in CHARTER:
        if name in row:
            value = row[name]
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            terminal.say("channel.line", name=terminal.text(f"column.{name}"), value=text)
    for country, names in sorted(charter.members.items()):
        agencies = ", ".join(names)
        terminal.say("channel.member", country=country.value, agencies=agencies)
    _warn(charter, directory, terminal)


def _warn(charter: Charter, directory: Directory, terminal: Terminal) -> None:
    for country, names in sorted(charter.members.items()):
        desk = DeskRef(country=country, compartment=charter.compartment)
        if not directory.has_desk(desk):
            terminal.warn("channel.no_desk", desk=str(desk))
        for name in names:
            agency = AgencyRef(country=country, agency=name)
            if directory.agency(agency) is None:
                terminal.warn("channel.no_agency", agency=str(agency))
    policy = policy_in_force(directory)
    for forbidden in forbidden_readers(charter, charter.members, directory, policy):
        known = directory.agency(forbidden)
        if known is not None:
            terminal.warn(
                "channel.may_not_read",
                agency=str(forbidden),
                function=known.function.value,
                compartment=charter.compartment.value,
            )


def _task(task: ChannelTask) -> str:
    parts = [task.step.value, str(task.version), ",".join(task.by)]
    parts += [] if task.at is None else [moment(task.at)]
    return " ".join(filter(None, parts))


def _consent(version: int, country: str, by: str | None, at: str | None) -> Record:
    state = "missing" if by is None else "consented"
    return {"version": version, "country": country, "by": by, "at": at, "state": state}
