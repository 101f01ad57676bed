"""Who may send what into which compartment: the rules as data. What is not listed is denied."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from broker.directory import Directory
from schemas.vocabulary import AgencyFunction, Compartment, Kind

INTELLIGENCE, JUDICIAL, PROTECTION = (
    Compartment.INTELLIGENCE,
    Compartment.JUDICIAL,
    Compartment.PROTECTION,
)


@dataclass(frozen=True, slots=True)
class Policy:
    """Two tables; both must allow."""

    function_sends_to: Mapping[AgencyFunction, frozenset[Compartment]]
    """SG-02: the function decides. Police may refer a child *to* protection; reading there is
    another matter, decided by whose desk it is."""
    kind_goes_to: Mapping[Kind, frozenset[Compartment]]

    def allows(self, function: AgencyFunction, kind: Kind, compartment: Compartment) -> bool:
        """Whether an agency of this function may send this kind into this compartment."""
        return compartment in self.function_sends_to.get(
            function, frozenset()
        ) and compartment in self.kind_goes_to.get(kind, frozenset())


_ALL = frozenset(Compartment)
_CRIME = frozenset({INTELLIGENCE, JUDICIAL})

STANDARD_POLICY: Final = Policy(
    function_sends_to=MappingProxyType(
        {
            AgencyFunction.POLICE_INTELLIGENCE: _ALL,
            AgencyFunction.PROSECUTION: _ALL,
            AgencyFunction.MIGRATION_CONTROL: frozenset({INTELLIGENCE, PROTECTION}),
            AgencyFunction.FINANCIAL_INTELLIGENCE: _CRIME,
            AgencyFunction.REFUGEE_PROTECTION: frozenset({PROTECTION}),
            AgencyFunction.CHILD_PROTECTION: frozenset({PROTECTION}),
            AgencyFunction.CIVIL_SOCIETY: frozenset({PROTECTION}),
        }
    ),
    kind_goes_to=MappingProxyType(
        {
            Kind.ROUTE_REPORT: _CRIME,
            Kind.MODUS_OPERANDI: _CRIME,
            Kind.FINANCIAL_TRANSACTION: _CRIME,
            Kind.GENERAL_REPORT: _ALL,
            Kind.VULNERABILITY_REPORT: frozenset({INTELLIGENCE, PROTECTION}),
            Kind.JUDICIAL_REQUEST: frozenset({JUDICIAL}),
            Kind.DETENTION_ALTERNATIVE: frozenset({JUDICIAL, PROTECTION}),
            # A referral carries what could hurt the person: never outside protection.
            Kind.PROTECTION_REFERRAL: frozenset({PROTECTION}),
            Kind.OPERATION_RESULT: _CRIME,
            Kind.INFORMATION_REQUEST: _ALL,
            Kind.REPLY: _ALL,
            # They follow the message that they concern, wherever it went (SG-07).
            Kind.RECALL: _ALL,
            Kind.RECTIFICATION: _ALL,
        }
    ),
)
EMPTY_POLICY: Final = Policy(MappingProxyType({}), MappingProxyType({}))
"""Denies everything, as an empty policy must."""


def policy_in_force(directory: Directory) -> Policy:
    """Which rules were decided last? The standard ones until any were."""
    return STANDARD_POLICY if directory.safeguards is None else EMPTY_POLICY
