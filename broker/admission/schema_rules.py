"""Which safeguard is it, where a schema refuses?

Most of what is said of a person is held by the schemas: a category, a purpose, consent. A refusal
names the safeguard there as well, so that a sender reads the same name wherever it stands.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas.loader import Violation
from schemas.vocabulary import Kind

RETENTION: Final = "SG-08"
REFERRAL: Final = frozenset({Kind.PROTECTION_REFERRAL.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRule:
    """A safeguard that a schema holds, by how its violation looks."""

    name: str
    pointer: re.Pattern[str]
    keywords: frozenset[str] = frozenset()
    """Empty: any."""
    kinds: frozenset[str] = frozenset()
    """Empty: every kind."""

    def is_broken_by(self, violation: Violation, kind: str) -> bool:
        """Whether this violation is one of this safeguard."""
        return (
            self.pointer.search(violation.pointer) is not None
            and (not self.keywords or violation.keyword in self.keywords)
            and (not self.kinds or kind in self.kinds)
        )


def _rule(
    name: str, pointer: str, *keywords: str, kinds: frozenset[str] = frozenset()
) -> SchemaRule:
    return SchemaRule(
        name=name, pointer=re.compile(pointer), keywords=frozenset(keywords), kinds=kinds
    )


SCHEMA_RULES: Final = (
    _rule("SG-03", r"/(?:suspected_of|separate_basis)$", "required", "falseSchema"),
    _rule("SG-03", r"/category$", "enum"),
    _rule("SG-04", r"/age_group$", "required", "const", "enum"),
    _rule("SG-04", r"^/urgency$", "enum", kinds=REFERRAL),
    _rule("SG-05", r"^/handling(?:/|$)", "required", "enum"),
    _rule("SG-06", r"^/(?:purpose|legal_basis)(?:/|$)", "required", "enum"),
    _rule(
        "SG-07", r"^/body/(?:of|reason)$", "required", kinds=frozenset({"recall", "rectification"})
    ),
    _rule(RETENTION, r"^/(?:expires|review_by)$", "required"),
    _rule("SG-09", r"/category$", "required"),
    _rule("SG-10", r"^/body/consent(?:/|$)", kinds=REFERRAL),
    _rule(
        "SG-10",
        r"/(?:name|names|aliases|note|text|summary|title)$",
        "additionalProperties",
        kinds=REFERRAL,
    ),
    _rule("SG-02", r"^/to/compartment$", "const", kinds=REFERRAL),
)


def rule_of(violations: Iterable[Violation], *, kind: str) -> str | None:
    """Name the first safeguard that one of these violations breaks; None if none does."""
    broken = (
        rule.name
        for violation in violations
        for rule in SCHEMA_RULES
        if rule.is_broken_by(violation, kind)
    )
    return next(broken, None)
