"""What is in a draft, who has signed it, and which step is next? For people at telephones."""

from collections.abc import Iterator
from typing import Final

from broker.cli.ceremony.drafts import Board, Document, Draft
from broker.cli.terminal import Record, Terminal, moment
from keys.root import Root, RootTerms
from keys.statement import StatementTerms

COLUMNS: Final = ("document", "holder", "root", "signed", "fingerprint")


def show_draft(draft: Draft, terminal: Terminal) -> None:
    """Say what would be signed, with the fingerprints that people compare."""
    for document in draft.documents:
        if isinstance(document.terms, RootTerms):
            show_root(document.terms, terminal, previous=draft.base)
        else:
            show_statement(document.terms, terminal)
        terminal.say("ceremony.document", fingerprint=document.fingerprint)


def show_root(root: RootTerms, terminal: Terminal, *, previous: Root | None = None) -> None:
    """Say what a root says; each holder with what a new version makes of him."""
    terminal.say(
        "ceremony.root",
        owner=root.owner.value,
        version=root.version,
        threshold=root.threshold,
        holders=len(root.holders),
        until=moment(root.expires),
        serial=root.first_serial,
    )
    before = {one.key for one in previous.holders} if previous is not None else set()
    for one in root.holders:
        is_new = previous is not None and one.key not in before
        key = "ceremony.holder_new" if is_new else "ceremony.holder"
        terminal.say(key, name=one.name, kid=one.key.kid, fingerprint=one.key.fingerprint)
    after = {one.key for one in root.holders}
    for one in previous.holders if previous is not None else ():
        if one.key not in after:
            terminal.say("ceremony.holder_gone", name=one.name, kid=one.key.kid)


def show_statement(terms: StatementTerms, terminal: Terminal) -> None:
    """Say what a statement says."""
    terminal.say(
        "certify.key",
        holder=str(terms.holder),
        use=terms.use.value,
        kid=terms.kid,
        fingerprint=terms.key.fingerprint,
        until=moment(terms.not_after),
        serial=terms.serial,
    )


def rows(draft: Draft) -> Iterator[Record]:
    """List every holder for every document, and whether he has signed."""
    for document in draft.documents:
        for board in draft.boards(document):
            for one in board.root.holders:
                yield {
                    "document": name_of(document),
                    "root": board.root.version,
                    "holder": one.name,
                    "kid": one.key.kid,
                    "signed": one.key.kid in board.signers,
                    "fingerprint": one.key.fingerprint,
                }


def lacking(draft: Draft) -> list[tuple[Document, Board]]:
    """Where are signatures missing?"""
    return [
        (document, board)
        for document in draft.documents
        for board in draft.boards(document)
        if board.lacking
    ]


def say_lacking(draft: Draft, terminal: Terminal) -> bool:
    """Say who is still missing; answers whether anybody is."""
    missing = lacking(draft)
    for document, board in missing:
        terminal.warn(
            "ceremony.lacking",
            document=name_of(document),
            version=board.root.version,
            number=board.lacking,
            names=", ".join(one.name for one in board.waiting),
        )
    return bool(missing)


def name_of(document: Document) -> str:
    """Name a document in a list."""
    if isinstance(document.terms, RootTerms):
        return f"{document.owner.value} {document.terms.version}"
    return document.terms.kid
