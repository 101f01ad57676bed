"""A command that signs an act: the options that all of them have, and the way to act.

``alone`` and ``proposes`` make it of a function that says only what is its own. Its arguments
come first on the command line; its options, which stand behind ``*``, come after ``--as``.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Concatenate, TypeAlias

import typer

from broker.cli.admin.wish import Access, Check, Wish, no_check
from broker.cli.options import LedgerOption, PassphraseOption, RootsOption, YesOption
from broker.cli.terminal import Terminal, terminal_of
from keys.act_kind import ActReason

AsOption = Annotated[Path, typer.Option("--as", metavar="FILE")]
ReasonOption = Annotated[ActReason, typer.Option("--reason")]

Command: TypeAlias = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """One administrator, in one call of a command."""

    access: Access
    terminal: Terminal

    def act(self, wish: Wish, check: Check = no_check) -> None:
        """Sign an act, write it, and tell what became of it: :func:`acting.act`."""
        from broker.cli.admin.acting import act  # noqa: PLC0415 - half a second

        act(wish, self.access, self.terminal, check)


Body: TypeAlias = Callable[Concatenate[Acting, ...], None]


def alone(body: Body) -> Command:
    """Make a command of what one person decides, at once."""
    return _command(body, with_yes=False)


def proposes(body: Body) -> Command:
    """Make a command of what others must agree with: it is shown first, and ``--yes`` says yes."""
    return _command(body, with_yes=True)


def _command(body: Body, *, with_yes: bool) -> Command:
    def command(
        *,
        context: typer.Context,
        key_file: AsOption,
        yes: YesOption = False,
        passphrase_file: PassphraseOption = None,
        roots: RootsOption = None,
        ledger_url: LedgerOption = None,
        **own: object,
    ) -> None:
        access = Access(
            key_file=key_file,
            passphrase_file=passphrase_file,
            roots=roots,
            ledger_url=ledger_url,
            yes=yes,
        )
        body(Acting(access=access, terminal=terminal_of(context)), **own)

    *shared, _own = inspect.signature(command).parameters.values()
    signature = _join(body, [each for each in shared if with_yes or each.name != "yes"])
    functools.update_wrapper(command, body)
    # Typer takes the parameters from here, and gives each by its name.
    vars(command)["__signature__"] = signature
    return command


def _join(body: Body, shared: Iterable[Parameter]) -> Signature:
    """Put a command's own parameters among the shared ones.

    Raises:
        ValueError: It has one of the shared ones itself.
    """
    _acting, *own = inspect.signature(body, eval_str=True).parameters.values()
    arguments = [each for each in own if each.kind is not Parameter.KEYWORD_ONLY]
    options = [each for each in own if each.kind is Parameter.KEYWORD_ONLY]
    context, key_file, *rest = shared
    joined = [context, *arguments, key_file, *options, *rest]
    # By name, for what has a default may stand before what has none.
    return Signature([each.replace(kind=Parameter.KEYWORD_ONLY) for each in joined])
