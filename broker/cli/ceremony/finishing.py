"""Are there enough signatures, and would everybody take the documents?"""

from datetime import datetime

from broker.cli.ceremony.drafts import Draft
from broker.cli.ceremony.telling import lacking
from broker.cli.explain import RefusalError
from broker.cli.terminal import Terminal, moment
from keys import root as root_form
from keys import statement
from keys.root import RootChain, RootTerms
from keys.statement import StatementTerms


def finished(draft: Draft, terminal: Terminal, *, now: datetime) -> list[str]:
    """Give the documents, if they hold.

    Raises:
        RefusalError: Signatures are missing, or a time is over.
        KeysError: A document does not hold, or does not follow from its root.
    """
    if lacking(draft):
        raise RefusalError(terminal.text("ceremony.unfinished"))
    for document in draft.documents:
        if isinstance(document.terms, RootTerms):
            _check_root(draft, document.terms, document.token, terminal, now=now)
        else:
            _check_statement(draft, document.terms, document.token, terminal, now=now)
    return [each.token for each in draft.documents]


def _check_root(
    draft: Draft, terms: RootTerms, token: str, terminal: Terminal, *, now: datetime
) -> None:
    if draft.base is None and terms.version > 1:
        raise RefusalError(terminal.text("ceremony.previous_missing", version=terms.version - 1))
    if draft.base is None:
        root_form.verify_first(token)
    else:
        root_form.verify_next(token, previous=draft.base)
    _require_unexpired(terms, terminal, now)


def _check_statement(
    draft: Draft, terms: StatementTerms, token: str, terminal: Terminal, *, now: datetime
) -> None:
    if draft.base is None:
        raise RefusalError(terminal.text("ceremony.root_missing"))
    _require_unexpired(draft.base, terminal, now)
    statement.verify(token, roots={draft.base.owner: RootChain((draft.base,))})
    if terms.serial < draft.base.first_serial:
        raise RefusalError(
            terminal.text("refused.serial", kid=terms.kid, newest=draft.base.first_serial - 1)
        )
    if terms.not_after <= now:
        raise RefusalError(terminal.text("refused.past", kid=terms.kid))


def _require_unexpired(root: RootTerms, terminal: Terminal, now: datetime) -> None:
    if root.expires <= now:
        raise RefusalError(
            terminal.text("refused.root_expired", owner=root.owner, at=moment(root.expires))
        )
