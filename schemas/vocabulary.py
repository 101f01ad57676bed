"""The closed vocabularies that code decides by; each equals a code list beside it.

Open vocabularies (modes of transport, abuses, roles) are data only, in ``code_lists/``.
What stands here is what a rule, a queue name or a key depends on, so that a wrong
value cannot be written down. A test holds each against its list.
"""

from enum import StrEnum


class Country(StrEnum):
    """A Member Country of the Regional Conference on Migration (ISO 3166-1 alpha-2)."""

    BELIZE = "BZ"
    CANADA = "CA"
    COSTA_RICA = "CR"
    DOMINICAN_REPUBLIC = "DO"
    EL_SALVADOR = "SV"
    GUATEMALA = "GT"
    HONDURAS = "HN"
    MEXICO = "MX"
    NICARAGUA = "NI"
    PANAMA = "PA"
    UNITED_STATES = "US"


class Compartment(StrEnum):
    """A wall inside a country's desk: each compartment has its own queues and keys."""

    INTELLIGENCE = "intelligence"
    JUDICIAL = "judicial"
    PROTECTION = "protection"


class AgencyFunction(StrEnum):
    """What an agency is for; decides the compartments it may use (SG-02)."""

    POLICE_INTELLIGENCE = "police_intelligence"
    PROSECUTION = "prosecution"
    MIGRATION_CONTROL = "migration_control"
    FINANCIAL_INTELLIGENCE = "financial_intelligence"
    REFUGEE_PROTECTION = "refugee_protection"
    CHILD_PROTECTION = "child_protection"
    CIVIL_SOCIETY = "civil_society"


class Kind(StrEnum):
    """What a message says; each kind has a schema of its own."""

    ROUTE_REPORT = "route-report"
    MODUS_OPERANDI = "modus-operandi"
    FINANCIAL_TRANSACTION = "financial-transaction"
    VULNERABILITY_REPORT = "vulnerability-report"
    GENERAL_REPORT = "general-report"
    JUDICIAL_REQUEST = "judicial-request"
    DETENTION_ALTERNATIVE = "detention-alternative"
    PROTECTION_REFERRAL = "protection-referral"
    OPERATION_RESULT = "operation-result"
    INFORMATION_REQUEST = "information-request"
    REPLY = "reply"
    RECALL = "recall"
    RECTIFICATION = "rectification"


class HandlingCode(StrEnum):
    """What the recipient may do with a message (SIENA handling codes)."""

    H0 = "H0"
    H1 = "H1"
    H2 = "H2"
    H3 = "H3"


class Urgency(StrEnum):
    """How fast the recipient is asked to act."""

    ROUTINE = "routine"
    PRIORITY = "priority"
    IMMEDIATE = "immediate"
    FLASH = "flash"


class Disposition(StrEnum):
    """What a desk did with a message that was recalled or rectified (SG-07)."""

    DESTROYED = "destroyed"
    CORRECTED = "corrected"
    KEPT = "kept"
    """It says why; later it may still destroy or correct."""


class KeptReason(StrEnum):
    """Why a desk keeps what was recalled."""

    COURT_ORDER = "court_order"
    ONGOING_PROCEEDINGS = "ongoing_proceedings"
    LEGAL_DUTY = "legal_duty"
    LEGAL_HOLD = "legal_hold"
    THREAT_TO_LIFE = "threat_to_life"
    OWN_SOURCE = "own_source"
    ALREADY_PUBLIC = "already_public"


class LegalHoldReason(StrEnum):
    """Why a message is not destroyed although its time is over (SG-08)."""

    COURT_ORDER = "court_order"
    ONGOING_PROCEEDINGS = "ongoing_proceedings"
    PENDING_JUDICIAL_REQUEST = "pending_judicial_request"
    EVIDENCE = "evidence"
    SEARCH_FOR_MISSING = "search_for_missing"
    COMPLAINT = "complaint"
    OVERSIGHT_INQUIRY = "oversight_inquiry"


class Language(StrEnum):
    """A language in which a message may be written."""

    SPANISH = "es"
    ENGLISH = "en"
    FRENCH = "fr"
