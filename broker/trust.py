"""Pure. Which of these signed documents count? Roots first, then keys, then decisions.

The order in which they came matters for decisions alone. What does not count is left out and
told: in an exchange that nobody attacks there is no such thing.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from keys import act, jws, signed, statement
from keys import root as root_form
from keys.act import act_id
from keys.decide import decide
from keys.decisions import Decisions
from keys.errors import KeysError, RootError, StatementError
from keys.holder import Holder
from keys.identifiers import KeyId, Owner, kid_owner, parse_kid
from keys.key import KeyUse
from keys.ring import RingEntry, announce
from keys.root import ROOT_TYP, Root, RootChain, Roots
from keys.statement import STATEMENT_TYP, KeyStatement, StatedKey

ACT: Final = "act"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What the pinned roots, and nobody else, vouch for."""

    roots: Roots
    entries: tuple[RingEntry, ...]
    decisions: Decisions
    tokens: tuple[str, ...]
    """What a true holder or administrator signed and counts, in the order of its arrival.

    Also what counts no more: a country that changes its root, or names two keys alike, takes
    nothing out of this list. So it only grows, and who misses something knows that it is gone.
    """
    witnessed: Mapping[str, Owner]
    """The same, each with its signers' owner, and what they signed that does not count: too late,
    or out of order.

    In another place it might count, so it stays in its own. What nobody here has signed stands
    nowhere, and is nobody's memory.
    """
    rejected: tuple[str, ...]
    """Why each of the others does not count."""

    def next_moment(self, now: datetime) -> datetime | None:
        """When do keys or decisions change next, with nothing new being decided?"""
        uses = self.decisions.policy(now).uses
        moments = [self.decisions.next_moment(now)]
        for entry in self.entries:
            stated = entry.statement
            moments += [
                stated.not_before,
                stated.not_after,
                stated.issued + uses[stated.use].announce,
            ]
        return min((one for one in moments if one is not None and one > now), default=None)


def trust(
    tokens: Sequence[str],
    *,
    pinned: Mapping[Owner, Root],
    arrivals: Mapping[str, datetime] | None = None,
) -> Trusted:
    """Hold signed documents against the pinned roots.

    Args:
        tokens: In the order of their arrival, from whomever.
        pinned: Learnt by another way than these documents.
        arrivals: When documents came, as far as that was noted.
    """
    tokens = tuple(dict.fromkeys(tokens))
    by_typ: dict[str, list[str]] = {}
    for token in tokens:
        by_typ.setdefault(_typ_of(token), []).append(token)
    papers = [*by_typ.get(ROOT_TYP, ()), *by_typ.get(STATEMENT_TYP, ())]
    left_out = dict.fromkeys(by_typ.get(UNKNOWN, ()), "the document is unknown")
    walk = _Walk(_chains(by_typ.get(ROOT_TYP, ()), pinned), papers, left_out)
    for token in tokens:
        if _typ_of(token) in {ROOT_TYP, STATEMENT_TYP}:
            walk.take(token)
    newest = _newest(walk.stated, left_out, arrivals or {})
    acts = by_typ.get(ACT, [])
    decisions = decide(acts, newest, arrivals)
    reasons = dict(decisions.rejected)
    left_out |= {token: reasons[act_id(token)] for token in acts if act_id(token) in reasons}
    noise = {token for token, reason in left_out.items() if not walk.is_signed(token, reason)}
    return Trusted(
        roots=walk.roots,
        entries=tuple(announce(one, decisions.events_of(kid)) for kid, one in newest.items()),
        decisions=decisions,
        tokens=tuple(token for token in tokens if token not in left_out),
        witnessed={token: _owner_of(token) for token in tokens if token not in noise},
        rejected=tuple(left_out.values()),
    )


def _typ_of(token: str) -> str:
    # What begins otherwise is one person's act, or nothing at all.
    return signed.typ_of(token) or UNKNOWN if token.startswith("{") else ACT


def _owner_of(token: str) -> Owner:
    if _typ_of(token) == ACT:
        return kid_owner(parse_kid(jws.read_header(token, max_bytes=act.MAX_ACT_CHARS).kid))
    return kid_owner(signed.read(token).kids[0])


def _chains(tokens: Sequence[str], pinned: Mapping[Owner, Root]) -> Roots:
    """Go from each pinned root forth to the newest, and back as far as there are documents."""
    by_owner: dict[Owner, list[str]] = {}
    for token in tokens:
        with suppress(KeysError):
            by_owner.setdefault(root_form.read(token).owner, []).append(token)
    return {
        owner: root_form.follow(first, by_owner.get(owner, ())).before(by_owner.get(owner, ()))
        for owner, first in pinned.items()
    }


class _Walk:
    """Reads roots and statements in the order of their arrival, as somebody who was there.

    A serial rises; and once a root has been replaced, it states nothing any more, whatever
    serial a document of its holders names. So who left can add nothing to the past.
    """

    def __init__(self, chains: Roots, papers: Sequence[str], left_out: dict[str, str]) -> None:
        known = set(papers)
        self._chains = chains
        self._left_out = left_out
        self._place = {
            owner: max(
                (place for place, root in enumerate(chain.versions) if root.token not in known),
                default=0,
            )
            for owner, chain in chains.items()
        }
        """Which version speaks at this point; one that is pinned and does not lie here, at once."""
        self._serial: dict[Owner, int] = {}
        self.stated: list[KeyStatement] = []

    @property
    def roots(self) -> Roots:
        """The versions that have spoken by the end."""
        return {
            owner: RootChain(chain.versions[: self._place[owner] + 1])
            for owner, chain in self._chains.items()
        }

    def is_signed(self, token: str, reason: str) -> bool:
        """Say whether a document that was left out is signed all the same, by whom we know."""
        if _typ_of(token) == ACT:
            return reason != act.NOT_SIGNED
        if _typ_of(token) != STATEMENT_TYP:
            return False
        with suppress(KeysError):
            chain = self._chains.get(statement.read(token).owner)
            return chain is not None and any(_states(root, token) for root in chain.versions)
        return False

    def take(self, token: str) -> None:
        """Take the next document, or leave it out with a reason."""
        try:
            if signed.typ_of(token) == ROOT_TYP:
                self._take_root(root_form.read(token))
            else:
                self._take_statement(token)
        except KeysError as error:
            self._left_out[token] = str(error)

    def _take_root(self, root: Root) -> None:
        chain, place = self._chains.get(root.owner), self._place.get(root.owner, 0)
        if chain is None:
            raise RootError("the root is of an owner that nobody pinned")
        spoken = chain.versions[: place + 1]
        if root.token in {one.token for one in spoken}:
            return
        following = chain.versions[place + 1 : place + 2]
        if not following or following[0].token != root.token:
            raise RootError("the root does not follow from the pinned one")
        if root.first_serial <= self._serial.get(root.owner, 0):
            raise RootError("the root claims serials that are used already")
        self._place[root.owner] = place + 1

    def _take_statement(self, token: str) -> None:
        terms = statement.read(token)
        chain = self._chains.get(terms.owner)
        if chain is None:
            raise StatementError(statement.NOT_SIGNED)
        if terms.serial <= self._serial.get(terms.owner, 0):
            raise StatementError("the statement's serial does not rise")
        speaking = chain.versions[self._place[terms.owner]]
        # Asked of the root that speaks when it comes, not of the one that its serial names.
        stated = statement.verify(token, roots={terms.owner: RootChain((speaking,))})
        if terms.serial < speaking.first_serial:
            raise StatementError("the statement's serial is an older root's")
        self._serial[terms.owner] = terms.serial
        self.stated.append(stated)


def _newest(
    stated: Iterable[KeyStatement], left_out: dict[str, str], arrivals: Mapping[str, datetime]
) -> dict[KeyId, KeyStatement]:
    """Take each key's newest statement; one that renews an older one keeps its beginning.

    Else whatever was signed before the renewal would stop verifying. Of two keys, holders or uses
    under one name the first one has it for good: what was done with it stays done. And one that
    ends a key earlier ends it when it comes, and not before.
    """
    by_kid: dict[KeyId, list[KeyStatement]] = {}
    for one in stated:
        by_kid.setdefault(one.kid, []).append(one)
    newest: dict[KeyId, KeyStatement] = {}
    for kid, statements in by_kid.items():
        first = statements[0]
        others = [one for one in statements if _purpose(one) != _purpose(first)]
        left_out |= {one.token: "a key id names two keys" for one in others}
        renewals = [one for one in statements if one not in others]
        came = [max(one.issued, arrivals.get(one.token, one.issued)) for one in renewals]
        newest[kid] = replace(
            renewals[-1],
            not_before=min(one.not_before for one in renewals),
            not_after=max(renewals[-1].not_after, came[-1]) if len(came) > 1 else first.not_after,
            # Announced is what others could see, whatever its country dates it.
            issued=min(came),
        )
    return newest


def _states(root: Root, token: str) -> bool:
    with suppress(KeysError):
        statement.verify(token, roots={root.owner: RootChain((root,))})
        return True
    return False


def _purpose(stated: KeyStatement) -> tuple[StatedKey, Holder, KeyUse]:
    return stated.key, stated.holder, stated.use
