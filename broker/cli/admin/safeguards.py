"""`enlace admin safeguards propose`: let other rules say who may send what to whom."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.admin.act_options import AsOption, access_of
from broker.cli.explain import RefusalError
from broker.cli.options import LedgerOption, PassphraseOption, RootsOption, YesOption
from broker.cli.policy_source import read_policy
from broker.cli.terminal import terminal_of

if TYPE_CHECKING:
    from broker.directory import Directory
    from broker.storage.ledger import Ledger


def propose(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE")],
    key_file: AsOption,
    yes: YesOption = False,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Propose another policy of who may send what to whom."""
    from broker.admission.decided import (  # noqa: PLC0415 - half a second
        follows,
        highest_version,
    )
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415
    from keys.act_kind import ActKind  # noqa: PLC0415

    terminal = terminal_of(context)
    access = access_of(key_file, passphrase_file, roots, ledger_url, yes=yes)
    policy = read_policy(file, terminal)

    async def version_rises(_: "Ledger", directory: "Directory", __: datetime) -> None:
        # Those that still wait count too: of two with one version, the later would deny all.
        there = highest_version(directory.decisions.every_safeguards())
        if not follows(policy.version, there):
            name = "policy.version_low" if policy.version <= there else "policy.version_high"
            raise RefusalError(terminal.text(name, version=policy.version, there=there))

    act(Wish(kind=ActKind.SAFEGUARDS, policy=policy.to_json()), access, terminal, version_rises)
