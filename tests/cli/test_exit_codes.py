"""The exit status is a contract: every code and every error has one."""

import sys

import pytest

from broker.cli.exit_codes import OF_CODE, SEVERITY, ExitCode, exit_code_of, worst
from broker.cli.explain import explain, leaves
from broker.cli.terminal import Terminal
from broker.desk.failures import (
    AccessError,
    DeskError,
    OpeningError,
    ProblemError,
    UnreachableError,
)
from broker.errors import BrokerError, Code, ConfigurationError
from broker.model.events import RefusalReason
from keys.errors import CustodyError, CustodyFault, KeysError


def test_exit_codes_know_every_code() -> None:
    """A new refusal cannot be forgotten here."""
    assert set(OF_CODE) == set(Code)


def test_exit_codes_rank_every_status() -> None:
    """Of any two outcomes, one is the worse."""
    assert sorted(SEVERITY) == sorted(ExitCode)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BrokerError(Code.PAIR_CLOSED), ExitCode.DENIED),
        (ConfigurationError("x"), ExitCode.USAGE),
        (ProblemError("pair-closed", status=403), ExitCode.DENIED),
        (ProblemError("not-found", status=404), ExitCode.NOT_FOUND),
        (ProblemError("schema-violation", status=422), ExitCode.VALIDATION),
        (ProblemError("of-tomorrow", status=409), ExitCode.VALIDATION),
        (ProblemError("bad-gateway", status=502), ExitCode.UNAVAILABLE),
        (ProblemError("overloaded", status=503), ExitCode.UNAVAILABLE),
        (AccessError("invalid_client", status=401), ExitCode.DENIED),
        (UnreachableError("x"), ExitCode.UNAVAILABLE),
        (CustodyError(CustodyFault.ABSENT), ExitCode.USAGE),
        (FileNotFoundError(), ExitCode.NOT_FOUND),
        (PermissionError(), ExitCode.FAILURE),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    ],
)
def test_exit_code_of_tells_who_must_act(error: BaseException, expected: ExitCode) -> None:
    """Each sort of error has the status that its reader expects."""
    assert exit_code_of(error) is expected


def test_worst_prefers_what_needs_most_people() -> None:
    """A refused message is told before one that may be sent again."""
    assert worst([ExitCode.UNAVAILABLE, ExitCode.DENIED, ExitCode.OK]) is ExitCode.DENIED
    assert worst([]) is ExitCode.OK


def _kinds(base: type[Exception]) -> list[type[Exception]]:
    """Find the errors that are defined beside their base."""
    module = vars(sys.modules[base.__module__]).values()
    return [each for each in module if isinstance(each, type) and issubclass(each, base)]


ARGUMENTS: dict[str, list[object]] = {
    "DecryptionError": [],
    "CustodyError": [CustodyFault.ABSENT],
    "UseNotNotedError": ["0192d3b4-0000-7000-8000-000000000001", "purpose-denied"],
}


def _made(kind: type[Exception]) -> Exception:
    if issubclass(kind, ProblemError):
        return kind("code", status=500)
    if issubclass(kind, OpeningError):
        return kind(RefusalReason.CANNOT_OPEN, step="unseal")
    return kind(*ARGUMENTS.get(kind.__name__, ["x"]))


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("kind", [*_kinds(DeskError), *_kinds(KeysError)])
def test_explain_has_words_for_every_error(kind: type[Exception], language: str) -> None:
    """No error of the client or of the keys is told without what to do next."""
    error = _made(kind)

    explained = explain(error, Terminal(language=language))

    assert explained.title
    assert explained.detail


@pytest.mark.parametrize("code", list(Code))
def test_explain_has_words_for_every_code(code: Code) -> None:
    """The gateway's codes are told in the words of its problem documents."""
    explained = explain(ProblemError(code.value, status=400), Terminal(language="es"))

    assert explained.code == code.value
    assert explained.detail


def test_leaves_takes_groups_of_groups_apart() -> None:
    """What two tasks raised at once is told one by one."""
    first, second = ValueError(), OSError()
    group = ExceptionGroup("", [first, ExceptionGroup("", [second])])

    assert leaves(group) == [first, second]
