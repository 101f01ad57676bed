"""`enlace admin safeguards propose`: let other rules say who may send what to whom."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.admin.act_command import Acting, proposes
from broker.cli.admin.wish import Wish
from broker.cli.explain import RefusalError
from broker.cli.policy_source import read_policy
from keys.act_kind import ActKind

if TYPE_CHECKING:
    from broker.directory import Directory
    from broker.storage.ledger import Ledger


@proposes
def propose(acting: Acting, file: Annotated[str, typer.Argument(metavar="FILE")]) -> None:
    """Propose another policy of who may send what to whom."""
    from broker.admission.decided import (  # noqa: PLC0415 - a tenth of a second
        follows,
        highest_version,
    )

    policy = read_policy(file, acting.terminal)

    async def version_rises(_: "Ledger", directory: "Directory", __: datetime) -> None:
        # Those that still wait count too: of two with one version, the later would deny all.
        there = highest_version(directory.decisions.every_safeguards())
        if not follows(policy.version, there):
            name = "policy.version_low" if policy.version <= there else "policy.version_high"
            raise RefusalError(acting.terminal.text(name, version=policy.version, there=there))

    acting.act(Wish(kind=ActKind.SAFEGUARDS, policy=policy.to_json()), check=version_rises)
