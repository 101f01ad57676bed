"""Which signed documents are let into the ledger? Each is held against what is there already.

A document that is refused here could do no harm there: every reader verifies for himself. But it
would do nothing either, and whoever brought it would not know.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from broker.cli.explain import RefusalError
from broker.cli.terminal import Record, Terminal, moment
from broker.directory import Directory, DirectoryRecord
from broker.trust import Trusted, trust
from keys import root as root_form
from keys import signed, statement
from keys.act import act_id
from keys.decide import CLOCKS_APART
from keys.errors import ActError
from keys.identifiers import Owner
from keys.policy import KeyPolicy
from keys.root import ROOT_TYP, Root, RootChain
from keys.statement import STATEMENT_TYP, KeyStatement

COLUMNS: Final = ("what", "name", "detail", "not_after", "fingerprint")


class Admission:
    """Takes documents one after the other, each on top of those before."""

    def __init__(
        self,
        record: DirectoryRecord,
        pinned: Mapping[Owner, Root],
        terminal: Terminal,
        *,
        now: datetime,
    ) -> None:
        self._known = list(record.statements)
        self._pinned = pinned
        self._terminal = terminal
        self._now = now
        self._arrivals = dict(record.arrivals or {})
        self._trusted = trust(self._known, pinned=pinned, arrivals=self._arrivals)
        self.added: list[str] = []

    def admit(self, token: str) -> Record | None:
        """Take a document, or refuse it; None if it is there already.

        Raises:
            RefusalError: It would not count; the text says what to do.
            KeysError: It does not hold.
        """
        if token in self._known:
            return None
        typ = signed.typ_of(token) if token.startswith("{") else "act"
        if typ == "act":
            row = None
        else:
            row = self._root(token) if typ == ROOT_TYP else self._statement(token)
        arrivals = {**self._arrivals, token: self._now}
        trusted = trust([*self._known, token], pinned=self._pinned, arrivals=arrivals)
        if row is None:
            row = self._act(token, trusted)
        if token not in trusted.tokens or len(trusted.rejected) > len(self._trusted.rejected):
            raise RefusalError(self._terminal.text("refused.contradicts"))
        self._known.append(token)
        self._arrivals = arrivals
        self._trusted = trusted
        self.added.append(token)
        return row

    @property
    def _policy(self) -> KeyPolicy:
        return self._trusted.decisions.policy(self._now)

    def _root(self, token: str) -> Record:
        new = root_form.read(token)
        newest = self._chain(new.owner).newest
        if new.version != newest.version + 1:
            raise self._refusal("root_version", owner=new.owner, next=newest.version + 1)
        root_form.verify_next(token, previous=newest)
        self._require_unexpired(new)
        self._require_not_ahead(f"{new.owner} {new.version}", new.issued)
        if new.expires - new.issued > self._policy.root_life:
            raise self._refusal("root_life", owner=new.owner, days=self._policy.root_life.days)
        return {
            "what": "root",
            "name": f"{new.owner.value} {new.version}",
            "detail": ", ".join(one.name for one in new.holders),
            "not_after": moment(new.expires),
            "fingerprint": None,
        }

    def _statement(self, token: str) -> Record:
        terms = statement.read(token)
        chain = self._chain(terms.owner)
        self._require_unexpired(chain.newest)
        floor = max(chain.newest.first_serial - 1, self._last_serial(terms.owner))
        if terms.serial <= floor:
            raise self._refusal("serial", kid=terms.kid, newest=floor)
        stated = statement.verify(token, roots={terms.owner: chain})
        self._require_not_ahead(stated.kid, stated.issued)
        self._check_newer(stated)
        self._check_policy(stated)
        return statement_row(stated)

    def _last_serial(self, owner: Owner) -> int:
        """Serials rise with every statement of an owner, whichever key it is about."""
        serials = [0]
        for token in self._trusted.tokens:
            if signed.typ_of(token) == STATEMENT_TYP:
                terms = statement.read(token)
                serials += [terms.serial] if terms.owner is owner else []
        return max(serials)

    def _check_newer(self, stated: KeyStatement) -> None:
        others = [
            entry.statement
            for entry in self._trusted.entries
            if entry.kid == stated.kid
            or (entry.statement.holder, entry.statement.use) == (stated.holder, stated.use)
        ]
        if any(one.kid == stated.kid and one.key != stated.key for one in others):
            raise self._refusal("kid_taken", kid=stated.kid)
        newest = max((one.serial for one in others), default=0)
        if stated.serial <= newest:
            raise self._refusal("serial", kid=stated.kid, newest=newest)
        if stated.not_after <= self._now:
            raise self._refusal("past", kid=stated.kid)

    def _check_policy(self, stated: KeyStatement) -> None:
        asked = self._policy.uses[stated.use]
        if stated.not_after - stated.not_before > asked.life:
            raise self._refusal("life", kid=stated.kid, days=asked.life.days, use=stated.use)
        if stated.key.algorithm.value not in asked.algorithms:
            allowed = ", ".join(sorted(asked.algorithms))
            raise self._refusal("algorithm", kid=stated.kid, use=stated.use, allowed=allowed)

    def _act(self, token: str, trusted: Trusted) -> Record:
        name = act_id(token)
        reason = dict(trusted.decisions.rejected).get(name)
        if reason is not None:
            raise ActError(reason)
        found = trusted.decisions.by_id.get(name)
        detail = found.act.kind.value if found is not None else None
        return {"what": "act", "name": name, "detail": detail}

    def _chain(self, owner: Owner) -> RootChain:
        chain = self._trusted.roots.get(owner)
        if chain is None:
            raise self._refusal("unpinned", owner=owner)
        return chain

    def _require_unexpired(self, root: Root) -> None:
        if root.expires <= self._now:
            raise self._refusal("root_expired", owner=root.owner, at=moment(root.expires))

    def _require_not_ahead(self, name: str, issued: datetime) -> None:
        # Its serial, and when it begins, were taken from the same clock.
        if issued > self._now + CLOCKS_APART:
            raise self._refusal("ahead", name=name, at=moment(issued))

    def _refusal(self, key: str, **values: object) -> RefusalError:
        return RefusalError(self._terminal.text(f"refused.{key}", **values))


def statement_row(stated: KeyStatement) -> Record:
    """Show what a statement says, without the key."""
    return {
        "what": "statement",
        "name": stated.kid,
        "detail": f"{stated.holder}, {stated.use.value}",
        "kid": stated.kid,
        "holder": str(stated.holder),
        "use": stated.use.value,
        "not_before": moment(stated.not_before),
        "not_after": moment(stated.not_after),
        "serial": stated.serial,
        "fingerprint": stated.key.fingerprint,
        "signed_with": [*sorted(map(str, stated.signed_with))],
    }


def document_rows(directory: Directory) -> Iterator[Record]:
    """Show every signed document of a directory, and whether it counts."""
    counting = set(directory.vouched_for)
    for token in directory.record.statements:
        yield _document_row(token, directory) if token in counting else _left_out(token)


def _document_row(token: str, directory: Directory) -> Record:
    typ = signed.typ_of(token) if token.startswith("{") else "act"
    if typ == ROOT_TYP:
        root = root_form.read(token)
        detail = f"{root.threshold}/{len(root.holders)}, {moment(root.expires)}"
        return {"what": "root", "name": f"{root.owner.value} {root.version}", "detail": detail}
    if typ == "act":
        found = directory.decisions.by_id.get(act_id(token))
        kind = found.act.kind.value if found is not None else "answer"
        return {"what": "act", "name": act_id(token), "detail": kind}
    stated = statement.read(token)
    detail = f"{stated.use.value}, {moment(stated.not_before)} / {moment(stated.not_after)}"
    return {"what": "statement", "name": stated.kid, "detail": detail}


def _left_out(token: str) -> Record:
    return {"what": "statement", "name": f"{act_id(token)[:12]}...", "detail": "not-vouched-for"}


def admit_all(admission: Admission, tokens: Sequence[str]) -> list[Record]:
    """Take all of them, or refuse all.

    Raises:
        RefusalError: One would not count.
        KeysError: One does not hold.
    """
    return [row for token in tokens if (row := admission.admit(token)) is not None]
