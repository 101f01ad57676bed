"""What does a program that called `enlace` learn from its exit status? The one table."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from broker.desk.failures import (
    AccessError,
    AnswerError,
    DeskError,
    ProblemError,
    StoreError,
    TakenBackError,
    UnreachableError,
    UseNotNotedError,
)
from broker.errors import BrokerError, Code
from keys.errors import (
    ActError,
    CustodyError,
    KeyFormatError,
    KeysError,
    PolicyError,
    RootError,
    SignatureError,
    StatementError,
)


class ExitCode(IntEnum):
    """One meaning each; who calls may rely on them."""

    OK = 0
    FAILURE = 1
    """Something is broken; an operator is called."""
    USAGE = 2
    """The command line, a setting, a profile or a key file has to be changed."""
    NOT_FOUND = 3
    DENIED = 4
    UNAVAILABLE = 5
    """Nothing is wrong with what was asked; try again later."""
    VALIDATION = 6
    """The document has to be changed."""
    ACTION_NEEDED = 7
    """The command has worked, and found what somebody should see to."""
    INTERRUPTED = 130
    """Control-C: 128 and the number of the signal."""


SEVERITY: Final = (
    ExitCode.OK,
    ExitCode.UNAVAILABLE,
    ExitCode.ACTION_NEEDED,
    ExitCode.VALIDATION,
    ExitCode.NOT_FOUND,
    ExitCode.DENIED,
    ExitCode.USAGE,
    ExitCode.FAILURE,
    ExitCode.INTERRUPTED,
)
"""From what mends itself to what needs most people."""

OF_CODE: Final[Mapping[Code, ExitCode]] = MappingProxyType(
    {
        Code.CREDENTIALS_MISSING: ExitCode.DENIED,
        Code.TOKEN_INVALID: ExitCode.DENIED,
        Code.PROOF_INVALID: ExitCode.DENIED,
        Code.PROOF_REPLAYED: ExitCode.DENIED,
        Code.PROOF_NONCE: ExitCode.DENIED,
        Code.SCOPE_INSUFFICIENT: ExitCode.DENIED,
        Code.SIGNATURE_MISSING: ExitCode.DENIED,
        Code.SIGNATURE_INVALID: ExitCode.DENIED,
        Code.SIGNATURE_FOREIGN: ExitCode.DENIED,
        Code.SIGNATURE_MISMATCH: ExitCode.DENIED,
        Code.SIGNATURE_STALE: ExitCode.DENIED,
        Code.MEDIA_TYPE_UNSUPPORTED: ExitCode.VALIDATION,
        Code.CONTENT_ENCODING_UNSUPPORTED: ExitCode.VALIDATION,
        Code.TOO_LARGE: ExitCode.VALIDATION,
        Code.JSON_ENCODING: ExitCode.VALIDATION,
        Code.JSON_SYNTAX: ExitCode.VALIDATION,
        Code.JSON_DUPLICATE_KEY: ExitCode.VALIDATION,
        Code.JSON_NUMBER: ExitCode.VALIDATION,
        Code.JSON_DEPTH: ExitCode.VALIDATION,
        Code.KIND_UNKNOWN: ExitCode.VALIDATION,
        Code.VERSION_UNKNOWN: ExitCode.VALIDATION,
        Code.SCHEMA_VIOLATION: ExitCode.VALIDATION,
        Code.TIME_INVALID: ExitCode.VALIDATION,
        Code.MESSAGE_EXPIRED: ExitCode.VALIDATION,
        Code.SENDER_FOREIGN: ExitCode.DENIED,
        Code.RECIPIENT_UNKNOWN: ExitCode.NOT_FOUND,
        Code.PAIR_CLOSED: ExitCode.DENIED,
        Code.COMPARTMENT_DENIED: ExitCode.DENIED,
        Code.PROTECTION_DENIED: ExitCode.DENIED,
        Code.CHANNEL_INACTIVE: ExitCode.DENIED,
        Code.CHARTER_DENIED: ExitCode.DENIED,
        Code.THREAD_ELSEWHERE: ExitCode.DENIED,
        Code.REFERENCE_UNKNOWN: ExitCode.VALIDATION,
        Code.ORIGINATOR_DENIED: ExitCode.DENIED,
        Code.HANDLING_DENIED: ExitCode.DENIED,
        Code.LINEAGE_TOO_WIDE: ExitCode.VALIDATION,
        Code.EVALUATION_UPGRADED: ExitCode.VALIDATION,
        Code.CHILD_EXPOSED: ExitCode.DENIED,
        Code.SECOND_OFFICER_REQUIRED: ExitCode.DENIED,
        Code.PURPOSE_DENIED: ExitCode.DENIED,
        Code.CATEGORY_DENIED: ExitCode.DENIED,
        Code.NARRATIVE_DENIED: ExitCode.DENIED,
        Code.URGENCY_DENIED: ExitCode.DENIED,
        Code.RECALL_DENIED: ExitCode.DENIED,
        Code.ORIGIN_SEALING_REQUIRED: ExitCode.DENIED,
        Code.SEAL_INVALID: ExitCode.VALIDATION,
        Code.FACTS_INVALID: ExitCode.VALIDATION,
        Code.DISPOSITION_INVALID: ExitCode.VALIDATION,
        Code.USE_INVALID: ExitCode.VALIDATION,
        Code.POLICY_DENIES_ALL: ExitCode.DENIED,
        Code.ID_REUSED: ExitCode.VALIDATION,
        Code.ACKNOWLEDGEMENT_INVALID: ExitCode.DENIED,
        Code.DELIVERY_UNKNOWN: ExitCode.NOT_FOUND,
        Code.DELIVERY_SETTLED: ExitCode.VALIDATION,
        Code.REWRAP_INVALID: ExitCode.DENIED,
        Code.REWRAP_KEY_INACTIVE: ExitCode.DENIED,
        Code.NOT_FOUND: ExitCode.NOT_FOUND,
        Code.METHOD_NOT_ALLOWED: ExitCode.FAILURE,
        Code.PARAMETER_INVALID: ExitCode.VALIDATION,
        Code.REQUEST_MALFORMED: ExitCode.VALIDATION,
        Code.REQUEST_TIMEOUT: ExitCode.UNAVAILABLE,
        Code.RATE_LIMITED: ExitCode.UNAVAILABLE,
        Code.OVERLOADED: ExitCode.UNAVAILABLE,
        Code.DRAINING: ExitCode.UNAVAILABLE,
        Code.LEDGER_UNAVAILABLE: ExitCode.UNAVAILABLE,
        Code.TRANSPORT_UNAVAILABLE: ExitCode.UNAVAILABLE,
        Code.RECIPIENT_KEY_UNAVAILABLE: ExitCode.UNAVAILABLE,
        Code.GATEWAY_KEY_UNAVAILABLE: ExitCode.UNAVAILABLE,
        Code.UNSEAL_FAILED: ExitCode.FAILURE,
        Code.EVIDENCE_INVALID: ExitCode.FAILURE,
        Code.KEY_STATEMENT_INVALID: ExitCode.VALIDATION,
        Code.CONFIGURATION_INVALID: ExitCode.USAGE,
        Code.INTERNAL_ERROR: ExitCode.FAILURE,
    }
)

OF_DESK_ERROR: Final[Mapping[type[DeskError], ExitCode]] = MappingProxyType(
    {
        AccessError: ExitCode.DENIED,
        UnreachableError: ExitCode.UNAVAILABLE,
        AnswerError: ExitCode.FAILURE,
        TakenBackError: ExitCode.FAILURE,
        StoreError: ExitCode.FAILURE,
        UseNotNotedError: ExitCode.DENIED,
    }
)

OF_KEYS_ERROR: Final[Mapping[type[KeysError], ExitCode]] = MappingProxyType(
    {
        CustodyError: ExitCode.USAGE,
        KeyFormatError: ExitCode.VALIDATION,
        SignatureError: ExitCode.VALIDATION,
        StatementError: ExitCode.VALIDATION,
        RootError: ExitCode.VALIDATION,
        ActError: ExitCode.VALIDATION,
        PolicyError: ExitCode.VALIDATION,
    }
)

OF_STATUS: Final[Mapping[int, ExitCode]] = MappingProxyType(
    {
        HTTPStatus.UNAUTHORIZED: ExitCode.DENIED,
        HTTPStatus.FORBIDDEN: ExitCode.DENIED,
        HTTPStatus.NOT_FOUND: ExitCode.NOT_FOUND,
        HTTPStatus.REQUEST_TIMEOUT: ExitCode.UNAVAILABLE,
        HTTPStatus.TOO_MANY_REQUESTS: ExitCode.UNAVAILABLE,
    }
)
"""For a code that only a newer gateway knows, or a page of some proxy."""


def exit_code_of(error: BaseException) -> ExitCode:
    """Which exit status tells this error?"""
    match error:
        case BrokerError():
            return OF_CODE[error.code]
        case ProblemError():
            return _of_problem(error)
        case DeskError():
            return OF_DESK_ERROR.get(type(error), ExitCode.FAILURE)
        case KeysError():
            return OF_KEYS_ERROR.get(type(error), ExitCode.FAILURE)
        case FileNotFoundError():
            return ExitCode.NOT_FOUND
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case _:
            return ExitCode.FAILURE


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Which of several is told? The one that needs most people; none is ``OK``."""
    return max(codes, key=SEVERITY.index, default=ExitCode.OK)


def _of_problem(error: ProblemError) -> ExitCode:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in set(Code):
        return ExitCode.UNAVAILABLE
    if isinstance(error, AccessError):
        return OF_STATUS.get(error.status, ExitCode.DENIED)
    if error.code in set(Code):
        return OF_CODE[Code(error.code)]
    return OF_STATUS.get(error.status, ExitCode.VALIDATION)
