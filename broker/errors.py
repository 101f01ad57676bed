"""What can go wrong, who must act, and the one stable code of each failure.

::

    BrokerError                  .code  stable, public, documented in docs/errors.md
    ├─ RefusedError              the sender must change something
    │  ├─ AuthenticationError    who is calling is not proven
    │  ├─ SignatureError         who wrote the message is not proven
    │  ├─ DocumentError          the bytes are no message: encoding, JSON, schema
    │  ├─ PermissionDeniedError  the message may not go there; names its rule
    │  └─ ConflictError          the message contradicts one that was accepted
    ├─ UnavailableError          the sender tries again later: .retry_after
    └─ IntegrityError            nobody retries; an operator is called

HTTP status stands in ``gateway/problems.py``, exit status in ``cli/exit_codes.py``: a
test proves each table complete. No error carries a submitted value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Code(StrEnum):
    """Every refusal and failure, by the name that agencies program against."""

    # Who is calling?
    CREDENTIALS_MISSING = "credentials-missing"
    TOKEN_INVALID = "token-invalid"  # noqa: S105 - a code, no password
    PROOF_INVALID = "proof-invalid"
    PROOF_REPLAYED = "proof-replayed"
    PROOF_NONCE = "proof-nonce"
    SCOPE_INSUFFICIENT = "scope-insufficient"
    # Who wrote the message?
    SIGNATURE_MISSING = "signature-missing"
    SIGNATURE_INVALID = "signature-invalid"
    SIGNATURE_FOREIGN = "signature-foreign"
    SIGNATURE_MISMATCH = "signature-mismatch"
    SIGNATURE_STALE = "signature-stale"
    SEAL_INVALID = "seal-invalid"
    FACTS_INVALID = "facts-invalid"
    # Is it a message?
    MEDIA_TYPE_UNSUPPORTED = "media-type-unsupported"
    CONTENT_ENCODING_UNSUPPORTED = "content-encoding-unsupported"
    TOO_LARGE = "too-large"
    JSON_ENCODING = "json-encoding"
    JSON_SYNTAX = "json-syntax"
    JSON_DUPLICATE_KEY = "json-duplicate-key"
    JSON_NUMBER = "json-number"
    JSON_DEPTH = "json-depth"
    KIND_UNKNOWN = "kind-unknown"
    VERSION_UNKNOWN = "version-unknown"
    SCHEMA_VIOLATION = "schema-violation"
    TIME_INVALID = "time-invalid"
    MESSAGE_EXPIRED = "message-expired"
    # May it go there?
    SENDER_FOREIGN = "sender-foreign"
    RECIPIENT_UNKNOWN = "recipient-unknown"
    PAIR_CLOSED = "pair-closed"
    COMPARTMENT_DENIED = "compartment-denied"
    PROTECTION_DENIED = "protection-denied"
    CHANNEL_INACTIVE = "channel-inactive"
    CHARTER_DENIED = "charter-denied"
    THREAD_ELSEWHERE = "thread-elsewhere"
    REFERENCE_UNKNOWN = "reference-unknown"
    ORIGINATOR_DENIED = "originator-denied"
    HANDLING_DENIED = "handling-denied"
    LINEAGE_TOO_WIDE = "lineage-too-wide"
    EVALUATION_UPGRADED = "evaluation-upgraded"
    CHILD_EXPOSED = "child-exposed"
    SECOND_OFFICER_REQUIRED = "second-officer-required"
    PURPOSE_DENIED = "purpose-denied"
    CATEGORY_DENIED = "category-denied"
    NARRATIVE_DENIED = "narrative-denied"
    URGENCY_DENIED = "urgency-denied"
    RECALL_DENIED = "recall-denied"
    ORIGIN_SEALING_REQUIRED = "origin-sealing-required"
    POLICY_DENIES_ALL = "policy-denies-all"
    # Does it contradict what was accepted?
    ID_REUSED = "id-reused"
    # Evidence of a desk
    ACKNOWLEDGEMENT_INVALID = "acknowledgement-invalid"
    DELIVERY_UNKNOWN = "delivery-unknown"
    DELIVERY_SETTLED = "delivery-settled"
    DISPOSITION_INVALID = "disposition-invalid"
    USE_INVALID = "use-invalid"
    REWRAP_INVALID = "rewrap-invalid"
    REWRAP_KEY_INACTIVE = "rewrap-key-inactive"
    # The request itself
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    PARAMETER_INVALID = "parameter-invalid"
    REQUEST_MALFORMED = "request-malformed"
    REQUEST_TIMEOUT = "request-timeout"
    RATE_LIMITED = "rate-limited"
    # Try again later
    OVERLOADED = "overloaded"
    DRAINING = "draining"
    LEDGER_UNAVAILABLE = "ledger-unavailable"
    TRANSPORT_UNAVAILABLE = "transport-unavailable"
    RECIPIENT_KEY_UNAVAILABLE = "recipient-key-unavailable"
    GATEWAY_KEY_UNAVAILABLE = "gateway-key-unavailable"
    # Nobody retries
    UNSEAL_FAILED = "unseal-failed"
    EVIDENCE_INVALID = "evidence-invalid"
    KEY_STATEMENT_INVALID = "key-statement-invalid"
    CONFIGURATION_INVALID = "configuration-invalid"
    INTERNAL_ERROR = "internal-error"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """One violation: where it is and which check failed, never the value."""

    pointer: str
    """RFC 6901 JSON Pointer into the submitted document."""
    code: str
    """The JSON Schema keyword, or one of our codes."""


class BrokerError(Exception):
    """Anything that the exchange refuses, cannot do now, or finds broken."""

    def __init__(
        self,
        code: Code,
        *,
        problems: Sequence[FieldProblem] = (),
        rule: str | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(code.value)
        self.code = code
        self.problems = tuple(problems)
        self.rule = rule
        self.retry_after = retry_after


class RefusedError(BrokerError):
    """The sender must change something before trying again."""


class AuthenticationError(RefusedError):
    """Who is calling is not proven."""


class SignatureError(RefusedError):
    """Who wrote the message is not proven."""


class DocumentError(RefusedError):
    """The bytes are not a message that we know."""


class PermissionDeniedError(RefusedError):
    """The message may not go there; the rule is named where there is one."""


class ConflictError(RefusedError):
    """The message contradicts one that was accepted before."""


class UnavailableError(BrokerError):
    """Nothing is wrong with the request; the same one may succeed later."""

    def __init__(self, code: Code, *, retry_after: timedelta = timedelta(seconds=5)) -> None:
        super().__init__(code, retry_after=retry_after)


class KeyUnavailableError(UnavailableError):
    """A recipient, or the gateway itself, has no key that is current."""


class LedgerUnavailableError(UnavailableError):
    """The ledger did not say that it recorded; asking again is safe and tells whether it did."""


class TransportUnavailableError(UnavailableError):
    """The transport did not answer; what is recorded stays recorded."""


class IntegrityError(BrokerError):
    """Something that must hold does not; an operator is called."""


class UnsealError(IntegrityError):
    """A sealed message does not open; one text for every cause, so nothing can be learnt."""

    def __init__(self) -> None:
        super().__init__(Code.UNSEAL_FAILED)


class EvidenceError(IntegrityError):
    """A receipt or signature does not prove what it claims."""


class ConfigurationError(BrokerError):
    """A setting is missing or contradicts another; the text says which and what to do."""

    def __init__(self, detail: str) -> None:
        super().__init__(Code.CONFIGURATION_INVALID)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail
