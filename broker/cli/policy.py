"""`enlace policy check|explain|show`: who may send what to whom, before it is decided."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.documents import read_document
from broker.cli.exit_codes import ExitCode
from broker.cli.explain import RefusalError
from broker.cli.options import LedgerOption, RootsOption
from broker.cli.policy_source import (
    DirectoryOption,
    ProfileSourceOption,
    Source,
    policy_there,
    read_directory,
    read_known,
    read_policy,
)
from broker.cli.terminal import Record, finish, terminal_of

if TYPE_CHECKING:
    from broker.admission.explaining import Verdict
    from broker.admission.policy_changes import Change

CHANGES: Final = ("change", "table", "what", "codes")
VERDICTS: Final = ("recipient", "verdict", "rule", "code", "pointer", "denied_by")


def check(
    context: typer.Context,
    file: Annotated[str | None, typer.Argument(metavar="[FILE]")] = None,
    profile: ProfileSourceOption = None,
    directory: DirectoryOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Read a policy and say what it would change."""
    from broker.admission.decided import follows  # noqa: PLC0415 - a tenth of a second
    from broker.admission.policy_changes import WAYS, compare  # noqa: PLC0415

    terminal = terminal_of(context)
    source = Source(snapshot=directory, profile=profile, ledger_url=ledger_url, roots=roots)
    there = policy_there(source, terminal)
    policy = there if file is None else read_policy(file, terminal)
    changes = compare(there, policy)
    terminal.rows([_change(each) for each in changes.changes], CHANGES)
    terminal.say(
        "policy.checked",
        version=policy.version,
        there=there.version,
        opened=changes.opened,
        closed=changes.closed,
        ways=WAYS,
    )
    if policy.denies_all:
        terminal.warn("policy.denies_all")
        finish(ExitCode.VALIDATION)
    if file is not None and not follows(policy.version, there.version):
        name = "policy.version_low" if policy.version <= there.version else "policy.version_high"
        terminal.warn(name, version=policy.version, there=there.version)
        finish(ExitCode.VALIDATION)


def explain(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    message: Annotated[str, typer.Argument(metavar="MESSAGE")],
    policy: Annotated[str | None, typer.Option("--policy", metavar="FILE")] = None,
    seal: Annotated[bool, typer.Option("--seal")] = False,
    profile: ProfileSourceOption = None,
    directory: DirectoryOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Say which rule allows or denies each recipient; status 4 if one is denied."""
    from broker.admission.circumstances import Circumstances  # noqa: PLC0415 - a tenth of a second
    from broker.admission.decided import policy_in_force  # noqa: PLC0415
    from broker.admission.explaining import explain as judge  # noqa: PLC0415
    from broker.admission.facts import named_messages  # noqa: PLC0415
    from broker.admission.policy import STANDARD_POLICY  # noqa: PLC0415
    from broker.admission.recall import TAKING_BACK  # noqa: PLC0415
    from broker.admission.unsigned import unsigned_message  # noqa: PLC0415
    from schemas.loader import SchemaSet  # noqa: PLC0415

    terminal = terminal_of(context)
    source = Source(snapshot=directory, profile=profile, ledger_url=ledger_url, roots=roots)
    there = read_directory(source, terminal)
    rules = policy_in_force(there) if policy is None else read_policy(policy, terminal)
    # Who seals by himself counts words by the standard policy.
    words_by = STANDARD_POLICY if seal else rules
    sent = unsigned_message(read_document(message), SchemaSet.load(), words=words_by.words)
    known = read_known(source, terminal, named_messages(sent.facts))
    if known is None and sent.kind in TAKING_BACK:
        raise RefusalError(terminal.text("policy.recall_unknown"))
    circumstances = Circumstances(
        directory=there, policy=rules, known=known or {}, now=datetime.now(UTC), is_sealed=seal
    )
    verdicts = judge(sent, circumstances, knows_earlier=known is not None)
    words = {each: terminal.text(f"policy.{each}") for each in ("allowed", "denied")}
    rows = [_verdict(each, {} if terminal.json else words) for each in verdicts]
    terminal.rows(rows, VERDICTS)
    if known is None:
        terminal.warn("policy.earlier_unknown")
    if sent.facts.needs_second_officer:
        terminal.say("policy.second_officer")
    finish(ExitCode.OK if all(each.is_allowed for each in verdicts) else ExitCode.DENIED)


def show(
    context: typer.Context,
    profile: ProfileSourceOption = None,
    directory: DirectoryOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Print the policy in force, or the standard one."""
    terminal = terminal_of(context)
    source = Source(snapshot=directory, profile=profile, ledger_url=ledger_url, roots=roots)
    policy = policy_there(source, terminal)
    if terminal.json:
        terminal.line(policy.to_json())
    else:
        sys.stdout.write(json.dumps(policy.to_json(), indent=2) + "\n")
    if policy.denies_all:
        terminal.warn("policy.denies_all")
        finish(ExitCode.ACTION_NEEDED)


def _change(change: "Change") -> Record:
    return {
        "change": change.change,
        "table": change.table,
        "what": change.what,
        "codes": [*change.codes],
    }


def _verdict(verdict: "Verdict", words: dict[str, str]) -> Record:
    said = "allowed" if verdict.is_allowed else "denied"
    first = verdict.denied_by[0] if verdict.denied_by else None
    recipient = verdict.desk or verdict.country
    return {
        "recipient": None if recipient is None else str(recipient),
        "verdict": words.get(said, said),
        "rule": verdict.rule,
        "code": None if first is None else first.code.value,
        "pointer": None if first is None else first.pointer,
        "denied_by": [each.rule for each in verdict.denied_by],
    }
