"""Who may send what to whom: the rules' tables, as data. What is not listed is denied.

The standard policy is ``policy.toml``. Another one counts when two administrators of two owners
have decided on it, and then the whole of it. One that is empty, that cannot be read or that
contradicts what was decided before denies everything.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources
from types import MappingProxyType
from typing import Final, TypeVar

from broker.admission import policy_form as form
from broker.admission.policy_form import PolicyError
from keys.strict_json import JsonObject, parse_object, write
from schemas.vocabulary import AgencyFunction, Compartment, Kind

K = TypeVar("K", bound=StrEnum)
V = TypeVar("V", bound=str)
DENIES_ALL: Final = 0
"""The version of the policy that denies everything; no policy that is decided has it."""
NEVER_READ_PROTECTION: Final = frozenset(
    {AgencyFunction.POLICE_INTELLIGENCE, AgencyFunction.MIGRATION_CONTROL}
)
"""SG-02, and no policy may say otherwise."""
NOTHING: Final[frozenset[Compartment]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The tables; a message goes where all of them allow it."""

    version: int
    function_sends_to: Mapping[AgencyFunction, frozenset[Compartment]]
    """SG-02: the function decides. Police may refer a child *to* protection; reading there is
    another matter."""
    function_reads: Mapping[AgencyFunction, frozenset[Compartment]]
    reads_addressed: Mapping[AgencyFunction, frozenset[Kind]] = field(default_factory=dict)
    """Who reads only these kinds, and only what names it as the one addressed."""
    needs_reader: frozenset[Compartment] = frozenset()
    """A desk of these is written to only where somebody of its country may read it."""
    kind_goes_to: Mapping[Kind, frozenset[Compartment]] = field(default_factory=dict)
    purposes: Mapping[Compartment, frozenset[str]] = field(default_factory=dict)
    """SG-06: what a compartment is used for."""
    judicial_purposes: frozenset[str] = frozenset()
    """SG-05: what needs an originator's consent from H1 on, as all of ``judicial`` does."""
    words: Mapping[str, int] = field(default_factory=dict)
    """SG-10: where a body of ``protection`` may hold words, and how many characters."""

    def __post_init__(self) -> None:
        for function in NEVER_READ_PROTECTION:
            if Compartment.PROTECTION in self.function_reads.get(function, NOTHING):
                raise PolicyError(f"reads.{function}: never reads protection (SG-02)")
        civil = AgencyFunction.CIVIL_SOCIETY
        reads, addressed = self.function_reads.get(civil, NOTHING), self.reads_addressed.get(civil)
        if not reads <= {Compartment.PROTECTION} or (reads and addressed is None):
            raise PolicyError(
                f"reads.{civil}: reads what is addressed to it, in protection (SG-02)"
            )
        if addressed is not None and not addressed <= {Kind.PROTECTION_REFERRAL}:
            raise PolicyError(f"reads_addressed.{civil}: reads referrals and nothing else (SG-02)")
        referral = self.kind_goes_to.get(Kind.PROTECTION_REFERRAL, NOTHING)
        if not referral <= {Compartment.PROTECTION}:
            raise PolicyError(f"kinds.{Kind.PROTECTION_REFERRAL}: stays in protection (SG-01)")

    @property
    def denies_all(self) -> bool:
        """Whether there are no rules at all."""
        return self.version == DENIES_ALL

    def allows(self, function: AgencyFunction, kind: Kind, compartment: Compartment) -> bool:
        """Whether an agency of this function may send this kind into this compartment."""
        return self.sends(function, compartment) and self.takes(compartment, kind)

    def sends(self, function: AgencyFunction, compartment: Compartment) -> bool:
        """Whether an agency of this function may send into this compartment."""
        return compartment in self.function_sends_to.get(function, NOTHING)

    def takes(self, compartment: Compartment, kind: Kind) -> bool:
        """Whether this kind goes into this compartment."""
        return compartment in self.kind_goes_to.get(kind, NOTHING)

    def reads(self, function: AgencyFunction, compartment: Compartment) -> bool:
        """Whether an agency of this function reads this compartment at all."""
        return compartment in self.function_reads.get(function, NOTHING)

    def reads_kind(
        self, function: AgencyFunction, kind: Kind, compartment: Compartment, *, addressed: bool
    ) -> bool:
        """Whether it reads this kind there, be it addressed by the message or not."""
        only = self.reads_addressed.get(function)
        return self.reads(function, compartment) and (only is None or (addressed and kind in only))

    def serves(self, compartment: Compartment, purpose: str) -> bool:
        """Whether a compartment is used for this purpose."""
        return purpose in self.purposes.get(compartment, frozenset())

    @classmethod
    def from_json(cls, value: JsonObject) -> "Policy":
        """Read a policy, strictly.

        Raises:
            PolicyError: A table, function, kind or compartment too many or too few, a value of
                the wrong form, or something that no policy may allow.
        """
        form.require_members(value, form.TABLES, "policy")
        version = value["version"]
        if not isinstance(version, int) or isinstance(version, bool) or version <= DENIES_ALL:
            raise PolicyError("version: must be a whole number from 1")
        return cls(
            version=version,
            function_sends_to=form.complete(value, "sends_to", AgencyFunction, Compartment),
            function_reads=form.complete(value, "reads", AgencyFunction, Compartment),
            reads_addressed=form.some(value, "reads_addressed", AgencyFunction, Kind),
            needs_reader=frozenset(
                form.codes(form.only(value, "readers", "required"), Compartment, "readers")
            ),
            kind_goes_to=form.complete(value, "kinds", Kind, Compartment),
            purposes=form.complete(value, "purposes", Compartment, form.Purpose),
            judicial_purposes=frozenset(
                form.codes(form.only(value, "consent", "purposes"), form.Purpose, "consent")
            ),
            words=form.lengths(value, "words"),
        )

    def to_json(self) -> JsonObject:
        """Write it so that one policy has one text."""
        return {
            "version": self.version,
            "sends_to": _table(self.function_sends_to),
            "reads": _table(self.function_reads),
            "reads_addressed": _table(self.reads_addressed),
            "readers": {"required": [*sorted(self.needs_reader)]},
            "kinds": _table(self.kind_goes_to),
            "purposes": _table(self.purposes),
            "consent": {"purposes": [*sorted(self.judicial_purposes)]},
            "words": dict(sorted(self.words.items())),
        }


def _table(table: Mapping[K, frozenset[V]]) -> JsonObject:
    return {key.value: [*sorted(str(each) for each in table[key])] for key in sorted(table)}


def read_toml(text: str) -> Policy:
    """Read a policy as people write it.

    Raises:
        PolicyError: No TOML, or no policy.
    """
    try:
        members = parse_object(write(tomllib.loads(text)))
    except (ValueError, TypeError):
        raise PolicyError("policy: is not written in TOML, or holds what JSON cannot") from None
    return Policy.from_json(members)


STANDARD_POLICY: Final = read_toml(
    resources.files("broker.admission").joinpath("policy.toml").read_text(encoding="utf-8")
)
EMPTY_POLICY: Final = Policy(
    version=DENIES_ALL,
    function_sends_to=MappingProxyType({}),
    function_reads=MappingProxyType({}),
    # A recall is not kept from anybody by a policy that is gone (SG-07); it is still no story.
    words=STANDARD_POLICY.words,
)
"""Denies everything, as an empty policy must."""
