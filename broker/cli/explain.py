"""What went wrong, and what does one do next? Every expected error, in the reader's words."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from broker.cli.exit_codes import ExitCode, exit_code_of
from broker.cli.terminal import Record, Terminal, json_line, printable
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
from broker.errors import BrokerError, Code, ConfigurationError, FieldProblem
from broker.texts.catalogue import Catalogue
from keys.errors import CustodyError, KeysError

PROGRAM: Final = "enlace"
EXPECTED: Final = (BrokerError, DeskError, KeysError, OSError)
"""What a command may raise; anything else is a defect of the program."""
OWN_WORDS: Final[Mapping[type[BaseException], str]] = MappingProxyType(
    {
        UnreachableError: "unreachable",
        AnswerError: "answer",
        TakenBackError: "taken-back",
        StoreError: "store",
        UseNotNotedError: "use",
    }
)


class CommandError(ConfigurationError):
    """The command cannot be done as it was given; the text says what to give instead."""


class RefusalError(CommandError):
    """A document is not taken as it is; the text says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """An error as it is shown."""

    code: str
    """Stable, for programs."""
    title: str
    detail: str
    """What to do next."""
    exit_code: ExitCode
    problems: tuple[FieldProblem, ...] = ()
    rule: str | None = None
    request_id: str | None = None

    def to_json(self) -> Record:
        """The same for a program."""
        return {
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
            "errors": [{"pointer": each.pointer, "code": each.code} for each in self.problems],
            "rule": self.rule,
            "request_id": self.request_id,
        }

    def __str__(self) -> str:
        lines = [f"{self.title} ({self.code})", f"  {self.detail}"]
        lines += [f"  {each.pointer or '/'}  {each.code}" for each in self.problems]
        if self.request_id is not None:
            lines.append(f"  request {self.request_id}")
        return "\n".join(line for line in lines if line.strip())


def explain(error: BaseException, terminal: Terminal) -> Explanation:
    """Put an expected error into words."""
    match error:
        case CommandError():
            is_refused = isinstance(error, RefusalError)
            return Explanation(
                code="refused" if is_refused else "usage",
                title=error.detail,
                detail="",
                exit_code=ExitCode.VALIDATION if is_refused else exit_code_of(error),
            )
        case ConfigurationError():
            return _own(error, "configuration", terminal, said=error.detail)
        case BrokerError():
            return Explanation(
                code=error.code.value,
                title=_problem_text(error.code, "title", terminal),
                detail=_problem_text(error.code, "detail", terminal),
                exit_code=exit_code_of(error),
                problems=error.problems,
                rule=error.rule,
            )
        case ProblemError():
            return _problem(error, terminal)
        case CustodyError():
            kind = f"{error.code}.{error.fault.value}"
            return Explanation(
                code=error.code,
                title=terminal.text(f"error.{kind}.title"),
                detail=terminal.text(f"error.{kind}.detail"),
                exit_code=exit_code_of(error),
            )
        case KeysError():
            return _own(error, error.code, terminal, said=str(error))
        case OSError():
            said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            return _own(error, "file", terminal, said=said)
        case _:
            kind = OWN_WORDS.get(type(error), "other")
            return _own(error, kind, terminal, said=str(error))


def show(explanation: Explanation, terminal: Terminal) -> None:
    """Tell of an error on standard error, to a person or to a program."""
    said = (
        json_line({"error": dict(explanation.to_json())})
        if terminal.json
        else f"{PROGRAM}: {printable(str(explanation))}"
    )
    sys.stderr.write(said + "\n")


def leaves(error: BaseException) -> list[BaseException]:
    """Take a group of errors apart; tasks that run beside each other raise groups."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]


def _problem(error: ProblemError, terminal: Terminal) -> Explanation:
    # Our words where we have them, for they are in the reader's language; else the gateway's.
    known = not isinstance(error, AccessError) and error.code in set(Code)
    if known:
        title = _problem_text(Code(error.code), "title", terminal)
        detail = _problem_text(Code(error.code), "detail", terminal)
    else:
        kind = "access" if isinstance(error, AccessError) else "problem"
        title = terminal.text(f"error.{kind}.title")
        detail = error.detail or terminal.text(f"error.{kind}.detail")
    return Explanation(
        code=error.code,
        title=title,
        detail=detail,
        exit_code=exit_code_of(error),
        problems=error.errors,
        rule=error.rule,
        request_id=error.request_id,
    )


def _own(error: BaseException, kind: str, terminal: Terminal, *, said: str) -> Explanation:
    return Explanation(
        code=error.code.value if isinstance(error, BrokerError) else kind,
        title=f"{terminal.text(f'error.{kind}.title')}: {said}",
        detail=terminal.text(f"error.{kind}.detail"),
        exit_code=exit_code_of(error),
    )


def _problem_text(code: Code, part: str, terminal: Terminal) -> str:
    return Catalogue.load("problems").text(f"problem.{code.value}.{part}", terminal.language)
