"""`enlace validate`: is this a message, offline? Every fault by its place, none by its value."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.documents import read_document
from broker.cli.exit_codes import ExitCode, exit_code_of, worst
from broker.cli.terminal import Record, Terminal, finish, terminal_of
from broker.errors import Code, DocumentError, FieldProblem
from broker.model.names import Json

if TYPE_CHECKING:
    from schemas.loader import SchemaSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is said of one file."""

    file: str
    problems: tuple[FieldProblem, ...]
    exit_code: ExitCode

    def to_json(self) -> Record:
        """One line for a program."""
        errors: list[Json] = [
            {"pointer": each.pointer, "code": each.code} for each in self.problems
        ]
        return {"file": self.file, "valid": not errors, "errors": errors}


def validate(
    context: typer.Context, files: Annotated[list[str], typer.Argument(metavar="FILE")]
) -> None:
    """Check messages against their schemas."""
    from schemas.loader import SchemaSet  # noqa: PLC0415 - half a second

    terminal, schemas = terminal_of(context), SchemaSet.load()
    verdicts = [judge(file, schemas) for file in files]
    for verdict in verdicts:
        tell(verdict, terminal)
    finish(worst(each.exit_code for each in verdicts))


def judge(file: str, schemas: "SchemaSet") -> Verdict:
    """Find every fault of one file."""
    try:
        body = read_document(file)
    except OSError as error:
        problem = FieldProblem(pointer="", code="file")
        return Verdict(file=file, problems=(problem,), exit_code=exit_code_of(error))
    problems = faults(body, schemas)
    code = ExitCode.VALIDATION if problems else ExitCode.OK
    return Verdict(file=file, problems=problems, exit_code=code)


def faults(body: bytes, schemas: "SchemaSet") -> tuple[FieldProblem, ...]:
    """Find what the gateway would refuse without looking at a clock or a directory."""
    from broker.admission import strict_json  # noqa: PLC0415 - with a message in hand

    try:
        document = strict_json.parse(body)
    except DocumentError as error:
        return error.problems or (FieldProblem(pointer="", code=error.code.value),)
    unknown: tuple[FieldProblem, ...] = ()
    kind, version = document.get("kind"), document.get("version")
    if not isinstance(kind, str) or not schemas.versions(kind):
        found = schemas.envelope_violations(document)
        unknown = (FieldProblem(pointer="/kind", code=Code.KIND_UNKNOWN.value),)
    elif not isinstance(version, str) or not schemas.knows(kind, version):
        found = schemas.envelope_violations(document)
        unknown = (FieldProblem(pointer="/version", code=Code.VERSION_UNKNOWN.value),)
    else:
        found = schemas.violations(document, kind=kind, version=version)
    named = {each.pointer for each in unknown}
    rest = [each for each in found if each.pointer not in named]
    return (*unknown, *(FieldProblem(pointer=each.pointer, code=each.keyword) for each in rest))


def tell(verdict: Verdict, terminal: Terminal) -> None:
    """Say what is wrong with one file, or that nothing is."""
    if terminal.json:
        terminal.line(verdict.to_json())
    elif not verdict.problems:
        terminal.say("validate.valid", file=verdict.file)
    else:
        terminal.warn("validate.faults", file=verdict.file, count=len(verdict.problems))
        rows: list[Record] = [
            {"pointer": each.pointer or "/", "code": each.code} for each in verdict.problems
        ]
        terminal.rows(rows, ("pointer", "code"))
