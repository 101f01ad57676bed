"""A draft: documents that some holders have signed, and the root whose holders they are.

A file of JSON lines. The root that speaks so far stands first, if there is one, so that every
machine can tell who may sign; then comes its successor, or the key statements that it makes.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from broker.cli.ceremony.files import read_tokens
from keys import root as root_form
from keys import signed, statement
from keys.errors import RootError, SignatureError
from keys.identifiers import FINGERPRINT_GROUPS, KeyId, Owner
from keys.key import SigningKey
from keys.root import ROOT_TYP, Root, RootHolder, RootTerms
from keys.statement import STATEMENT_TYP, StatementTerms

Terms: TypeAlias = RootTerms | StatementTerms
ROOTS_AT_MOST: Final = 2
"""The one that speaks so far, and its successor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A root or a key statement, signed by whoever has signed so far."""

    terms: Terms
    token: str

    @property
    def typ(self) -> str:
        """For what its signatures are."""
        return ROOT_TYP if isinstance(self.terms, RootTerms) else STATEMENT_TYP

    @property
    def owner(self) -> Owner:
        """Whose holders sign it."""
        return self.terms.owner

    @property
    def fingerprint(self) -> str:
        """Show it so that two people can tell whether they sign the same."""
        digits = hashlib.sha256(self.terms.payload()).hexdigest()
        return "-".join(digits[4 * each : 4 * each + 4] for each in range(FINGERPRINT_GROUPS))

    def signed_by(self, key: SigningKey) -> "Document":
        """Add a signature."""
        return replace(self, token=signed.add_signature(self.token, key, typ=self.typ))


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Holders of one root, and who of them has signed one document."""

    root: RootTerms
    signers: frozenset[KeyId]

    @property
    def waiting(self) -> tuple[RootHolder, ...]:
        """Who has not signed."""
        return tuple(one for one in self.root.holders if one.key.kid not in self.signers)

    @property
    def lacking(self) -> int:
        """How many signatures are missing."""
        return max(0, self.root.threshold - len(self.signers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What lies in a draft's file."""

    base: Root | None
    """The root that speaks so far; None before the first one."""
    documents: tuple[Document, ...]

    def boards(self, document: Document) -> tuple[Board, ...]:
        """Of which roots must a threshold sign this document?

        Raises:
            RootError: Statements without their root.
            SignatureError: A holder's signature does not hold.
        """
        roots: list[RootTerms] = [] if self.base is None else [self.base]
        if isinstance(document.terms, RootTerms):
            roots.append(document.terms)
        if not roots:
            raise RootError("a root is missing whose holders sign these statements")
        return tuple(Board(root=each, signers=_signers(document, each)) for each in roots)

    def lines(self) -> list[str]:
        """Write the file."""
        first = [] if self.base is None else [self.base.token]
        return [*first, *(each.token for each in self.documents)]


def read_draft(name: str, base: Root | None = None) -> Draft:
    """Read a draft's file.

    Args:
        name: The file, or ``-``.
        base: The root that speaks so far, by the reader's own copy; the file's must be it.

    Raises:
        OSError: It cannot be read.
        KeysError: A line is no document, or they do not belong together.
    """
    documents = [_read(token) for token in read_tokens(name)]
    roots = [each for each in documents if isinstance(each.terms, RootTerms)]
    others = [each for each in documents if not isinstance(each.terms, RootTerms)]
    if not documents or len(roots) > ROOTS_AT_MOST or documents[: len(roots)] != roots:
        raise RootError("the file is no draft")
    has_base = len(roots) == ROOTS_AT_MOST or bool(roots and others)
    if others and len(roots) == ROOTS_AT_MOST:
        raise RootError("the file is no draft")
    own = root_form.verify_first(roots[0].token) if has_base else None
    if own is not None and base is not None and own.payload() != base.payload():
        raise RootError("the draft was made for another root than this one")
    return Draft(base=own or base, documents=tuple(documents[1:] if has_base else documents))


def holder_of(draft: Draft, keys: Sequence[SigningKey]) -> tuple[RootHolder, SigningKey] | None:
    """Which of these keys is a holder's, of the old root or the new one?"""
    for key in keys:
        for holder in _holders(draft):
            if holder.key == key.public:
                return holder, key
    return None


def _holders(draft: Draft) -> Iterator[RootHolder]:
    for document in draft.documents:
        for board in draft.boards(document):
            yield from board.root.holders


def _read(token: str) -> Document:
    try:
        signed.read(token)
    except SignatureError:
        raise RootError("the file is no draft, or is cut off") from None
    try:
        return Document(terms=root_form.read(token), token=token)
    except RootError:
        return Document(terms=statement.read(token), token=token)


def _signers(document: Document, board: RootTerms) -> frozenset[KeyId]:
    try:
        return signed.signers_of(signed.read(document.token), typ=document.typ, find_key=board.find)
    except SignatureError:
        raise SignatureError("a holder's signature does not hold") from None
