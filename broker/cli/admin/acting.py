"""An administrator acts: his key signs, what is there already is asked, then it is written.

Nothing is written that would not count. What gives something is shown first, with the
fingerprints of the keys, and a person says yes; what takes away is done at once.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from broker.charters import read_charter
from broker.cli.admin.acts import act_row, what_of
from broker.cli.admin.admit import Admission
from broker.cli.admin.channel_rows import show_charter
from broker.cli.admin.clock import require_clock, require_later
from broker.cli.admin.ledger import on_ledger
from broker.cli.admin.pinned import read_pins
from broker.cli.admin.wish import Access, Check, Wish, no_check
from broker.cli.confirm import confirm
from broker.cli.explain import RefusalError
from broker.cli.passphrases import read_passphrase
from broker.cli.terminal import Record, Terminal, cell
from broker.directory import Directory
from broker.storage.ledger import Ledger
from keys import act as acts
from keys.act import ActId, ActTerms
from keys.act_kind import ALONE, ON_ACTS, ActKind
from keys.charter import ChannelName, Charter
from keys.custody.bundle import read_bundle
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import KeyUse, SigningKey


def act(wish: Wish, access: Access, terminal: Terminal, check: Check = no_check) -> None:
    """Sign an act, write it, and tell what became of it.

    Raises:
        RefusalError: It would not count.
        CommandError: This machine's clock is wrong, or nobody says yes.
        KeysError: The key file does not open, or the act is refused by its rules.
        BrokerError: The ledger does not answer.
    """
    pins = read_pins(access.roots, terminal)
    keys = read_bundle(access.key_file, read_passphrase(access.passphrase_file, terminal)).signing

    async def work(ledger: Ledger) -> Record:
        now = datetime.now(UTC).replace(microsecond=0)
        await require_clock(ledger, terminal, now)
        record = await ledger.directory.load()
        directory, _ = Directory.verify(record, roots=pins.roots, now=now)
        if wish.kind not in ALONE:
            # What takes away must never wait for what somebody else has written.
            require_later(record, terminal, now)
        signer, by = _administrator(directory, keys, access, terminal, now)
        terms = _terms(wish, by, directory, terminal, now)
        await check(ledger, directory, now)
        _show(terms, directory, terminal)
        confirm(terminal, yes=access.yes or wish.kind in ALONE)
        token = acts.sign(terms, signer)
        Admission(record, pins.roots, terminal, now=now).admit(token)
        await ledger.directory.add_statements([token], at=now)
        written = record.with_document(token, now)
        after, _ = Directory.verify(written, roots=pins.roots, now=now)
        return act_row(after, terms.of or acts.act_id(token), now)

    row = on_ledger(access.ledger_url, terminal, work)
    terminal.record(row, ("id", "act", "what", "by", "approved_by", "effective_at", "state"))
    _say_next(row, terminal)


def _administrator(
    directory: Directory,
    keys: Mapping[KeyId, SigningKey],
    access: Access,
    terminal: Terminal,
    now: datetime,
) -> tuple[SigningKey, Holder]:
    """Find the administrator's key in the file; of several, the one stated last."""
    found = [
        (entry.statement.serial, key, entry.statement.holder)
        for key in keys.values()
        if (entry := directory.ring.by_kid(key.kid)) is not None
        and entry.statement.use is KeyUse.ADMINISTRATION
        and entry.statement.key == key.public
        and entry.could_sign_at(now)
    ]
    if not found:
        raise RefusalError(terminal.text("act.no_administrator", file=access.key_file))
    _, key, holder = max(found, key=lambda each: each[0])
    return key, holder


def _terms(
    wish: Wish, by: Holder, directory: Directory, terminal: Terminal, now: datetime
) -> ActTerms:
    for kid in wish.keys:
        if directory.ring.by_kid(kid) is None:
            raise RefusalError(terminal.text("act.unknown_key", kid=kid))
    return ActTerms(
        kind=wish.kind,
        by=by,
        at=now,
        reason=wish.reason,
        keys=wish.keys,
        pairs=wish.pairs,
        policy=wish.policy,
        charter=None if wish.charter is None else _charter(wish.charter, directory).to_json(),
        channel=wish.channel,
        of=_find(wish.of, directory, terminal) if wish.of is not None else None,
        since=wish.since,
    )


def _charter(text: str, directory: Directory) -> Charter:
    def next_version(name: ChannelName) -> int:
        channel = directory.channel(name)
        terms = () if channel is None else channel.terms
        return terms[-1].charter.version + 1 if terms else 1

    return read_charter(text, next_version=next_version)


def _find(beginning: str, directory: Directory, terminal: Terminal) -> ActId:
    found = [name for name in directory.decisions.by_id if name.startswith(beginning)]
    if len(found) != 1:
        raise RefusalError(terminal.text("act.unknown_act", number=len(found)))
    return found[0]


def _show(terms: ActTerms, directory: Directory, terminal: Terminal) -> None:
    about: ActTerms
    if terms.kind in ON_ACTS and terms.of is not None:
        row = act_row(directory, terms.of, terms.at)
        about = directory.decisions.by_id[terms.of].act
        terminal.say("act.answered", kind=row["act"], by=row["by"], what=row["what"])
    else:
        about = terms
        terminal.say("act.wish", kind=terms.kind.value, by=str(terms.by), what=what_of(terms))
    if about.charter is not None:
        show_charter(Charter.from_json(about.charter), directory, terminal)
    _show_keys(about.keys, directory, terminal)


def _show_keys(kids: Sequence[KeyId], directory: Directory, terminal: Terminal) -> None:
    for kid in kids:
        entry = directory.ring.by_kid(kid)
        if entry is not None:
            terminal.say(
                "act.key",
                kid=kid,
                holder=str(entry.statement.holder),
                use=entry.statement.use.value,
                state=entry.state.value,
                fingerprint=entry.statement.key.fingerprint,
            )


def _say_next(row: Record, terminal: Terminal) -> None:
    if row["act"] == ActKind.CHARTER and row["state"] == "proposed":
        terminal.say("act.next_charter", id=row["id"], countries=cell(row["missing"]))
    elif row["state"] in {"proposed", "to-ratify"}:
        terminal.say(f"act.next_{str(row['state']).replace('-', '_')}", id=row["id"])
    elif row["state"] == "locked":
        terminal.say("act.next_locked", id=row["id"], at=row["effective_at"])
