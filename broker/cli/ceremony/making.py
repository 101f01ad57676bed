"""What is to be signed: a root from its holders' public keys, statements from anybody's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from broker.cli.explain import RefusalError
from broker.cli.public_keys import read_public_keys
from broker.cli.terminal import Terminal, moment
from keys.errors import RootError, StatementError
from keys.holder import Holder
from keys.identifiers import Owner, kid_owner, parse_kid
from keys.key import EncryptionKey, KeyUse, VerificationKey
from keys.policy import STANDARD_KEY_POLICY
from keys.root import Root, RootHolder, RootTerms
from keys.statement import HOLDER_OF, USES, StatementTerms
from keys.strict_json import JsonObject

EARLIER: Final = timedelta(minutes=5)
"""A key counts a little before it was stated: clocks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootPlan:
    """What is asked of a new root."""

    owner: Owner
    threshold: int
    days: int
    first_serial: int | None
    """None: statements from now on are the new root's, counted in seconds since 1970."""


def root_terms(
    plan: RootPlan, files: Sequence[str], previous: Root | None, now: datetime
) -> RootTerms:
    """Make a root's terms from its holders' public keys.

    Raises:
        RootError: A line is no holder's, or the terms are impossible.
        OSError: A file cannot be read.
    """
    if previous is not None and previous.owner is not plan.owner:
        raise RootError("the root is another owner's")
    if timedelta(days=plan.days) > STANDARD_KEY_POLICY.root_life:
        raise RootError("a root may not live so long by the policy")
    first = plan.first_serial or (1 if previous is None else int(now.timestamp()))
    if previous is not None and first < previous.first_serial:
        raise RootError("the first serial is below that of the previous root")
    return RootTerms(
        owner=plan.owner,
        version=1 if previous is None else previous.version + 1,
        threshold=plan.threshold,
        holders=tuple(_holder(record) for record in read_public_keys(files)),
        first_serial=first,
        issued=now,
        expires=now + timedelta(days=plan.days),
    )


def statement_terms(record: JsonObject, *, now: datetime, days: int, serial: int) -> StatementTerms:
    """Say of a public key what its holder wrote beside it.

    Raises:
        StatementError: No statement can be made of it.
        KeyFormatError: It is no public key.
    """
    use, jwk = USES.get(str(record["use"])), record["jwk"]
    if use is None or use not in HOLDER_OF or not isinstance(jwk, dict):
        raise StatementError("no key statement can be made of this key")
    kind = EncryptionKey if use is KeyUse.DESK_ENCRYPTION else VerificationKey
    key = kind.from_jwk(jwk)
    return StatementTerms(
        holder=Holder.from_json(kid_owner(parse_kid(key.kid)), record["holder"]),
        use=use,
        key=key,
        not_before=now - EARLIER,
        not_after=now - EARLIER + timedelta(days=days),
        serial=serial,
        issued=now,
    )


def check_certifiable(
    terms: StatementTerms, root: Root, terminal: Terminal, *, now: datetime
) -> None:
    """Refuse what no gateway would take, before anybody signs it.

    Raises:
        RefusalError: See the text.
    """
    asked = STANDARD_KEY_POLICY.uses[terms.use]
    if root.owner is not terms.owner:
        raise StatementError("the root key is another owner's")
    if root.expires <= now:
        raise RefusalError(
            terminal.text("refused.root_expired", owner=root.owner, at=moment(root.expires))
        )
    if terms.not_after - terms.not_before > asked.life:
        raise RefusalError(
            terminal.text("refused.life", kid=terms.kid, days=asked.life.days, use=terms.use)
        )
    if terms.key.algorithm.value not in asked.algorithms:
        allowed = ", ".join(sorted(asked.algorithms))
        raise RefusalError(
            terminal.text("refused.algorithm", kid=terms.kid, use=terms.use, allowed=allowed)
        )
    if terms.serial < root.first_serial:
        raise RefusalError(
            terminal.text("refused.serial", kid=terms.kid, newest=root.first_serial - 1)
        )


def _holder(record: JsonObject) -> RootHolder:
    holder, jwk = record["holder"], record["jwk"]
    name = holder.get("root") if isinstance(holder, dict) else None
    if record["use"] != KeyUse.ROOT_SIGNATURE or not isinstance(name, str):
        raise RootError("a line is no root holder's public key; see `enlace keys ceremony holder`")
    return RootHolder(name=name, key=VerificationKey.from_jwk(jwk if isinstance(jwk, dict) else {}))
