"""Commands that sign an act are alike in everything but what they say themselves."""

import inspect
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest
import typer

from broker.cli.admin import acting as signing
from broker.cli.admin import key_reports
from broker.cli.admin.act_command import Acting, Body, Command, alone, proposes
from broker.cli.admin.wish import Access, Check, Wish
from broker.cli.options import RootsOption
from broker.cli.terminal import Terminal
from keys.act_kind import ALONE, ActKind
from tests.cli.conftest import Cli

ACT = "A" * 43
POLICY = Path(__file__).parents[2] / "broker" / "admission" / "policy.toml"
COMMANDS: dict[ActKind, tuple[str, ...]] = {
    ActKind.SUSPEND: ("keys", "suspend", "GT-desk-1", "--reason", "lost"),
    ActKind.COMPROMISE: (
        *("keys", "compromise", "GT-desk-1", "--reason", "lost"),
        *("--since", "2026-01-01T00:00:00Z"),
    ),
    ActKind.ACTIVATE: ("keys", "activate", "GT-desk-1"),
    ActKind.LIFT: ("keys", "lift", "GT-desk-1"),
    ActKind.DESTROY: ("keys", "destroy", "GT-desk-1"),
    ActKind.OPEN: ("admin", "pair", "open", "MX", "GT.judicial"),
    ActKind.CLOSE: ("admin", "pair", "close", "MX", "GT.judicial"),
    ActKind.POLICY: ("admin", "policy", "propose", "policy.toml"),
    ActKind.SAFEGUARDS: ("admin", "safeguards", "propose", "safeguards.toml"),
    ActKind.CHARTER: ("admin", "channel", "propose", "charter.toml"),
    ActKind.CONSENT: ("admin", "channel", "consent", ACT),
    ActKind.LEAVE_CHANNEL: ("admin", "channel", "leave", "hlsg-mx-gt"),
    ActKind.SUSPEND_CHANNEL: ("admin", "channel", "suspend", "hlsg-mx-gt"),
    ActKind.CLOSE_CHANNEL: ("admin", "channel", "close", "hlsg-mx-gt"),
    ActKind.RESUME_CHANNEL: ("admin", "channel", "resume", "hlsg-mx-gt"),
    ActKind.APPROVE: ("admin", "approve", ACT),
    ActKind.CANCEL: ("admin", "cancel", ACT),
}


@dataclass
class Asked:
    """What commands wish, instead of its being signed."""

    wishes: list[Wish] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)

    def act(self, wish: Wish, access: Access, _terminal: Terminal, _check: Check) -> None:
        """Stand in for :func:`acting.act`."""
        self.wishes.append(wish)
        self.accesses.append(access)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """Sign nothing; keep what was wished."""
    (tmp_path / "policy.toml").write_text('[decisions]\ntime_lock = "48h"\n')
    shutil.copy(POLICY, tmp_path / "safeguards.toml")
    (tmp_path / "charter.toml").touch()
    asked = Asked()
    monkeypatch.setattr(signing, "act", asked.act)
    monkeypatch.setattr(key_reports, "show_affected", lambda *_: None)
    return asked


def test_commands_are_there_for_every_kind_of_act() -> None:
    """What an administrator may decide can be decided at the command line."""
    assert COMMANDS.keys() == set(ActKind)


@pytest.mark.parametrize("kind", ActKind)
def test_commands_offer_yes_only_where_others_must_agree(
    kind: ActKind, asked: Asked, cli: Cli
) -> None:
    """What takes away waits for nobody; what gives is shown first, and somebody says yes."""
    words = (*COMMANDS[kind], "--as", "ana.key")

    plain, with_yes = cli(*words), cli(*words, "--yes")

    assert plain.code == 0, plain.err
    assert with_yes.code == (2 if kind in ALONE else 0)
    assert [each.kind for each in asked.wishes] == [kind] * (1 if kind in ALONE else 2)
    assert [each.yes for each in asked.accesses] == ([False] if kind in ALONE else [False, True])


def test_commands_give_every_option_to_the_act(asked: Asked, cli: Cli) -> None:
    """Whose key, its passphrase, the roots and the ledger are those that were named."""
    ran = cli(
        *(*COMMANDS[ActKind.LIFT], "--as", "ana.key", "--passphrase-file", "secret"),
        *("--roots", "roots.json", "--ledger-url", "sqlite:///here", "-y"),
    )

    assert ran.code == 0, ran.err
    assert asked.accesses == [
        Access(
            key_file=Path("ana.key"),
            passphrase_file=Path("secret"),
            roots=Path("roots.json"),
            ledger_url="sqlite:///here",
            yes=True,
        )
    ]


def test_proposes_puts_arguments_before_as_and_options_behind_it() -> None:
    """The command line asks for what is missing in this order, and the help shows it so."""

    @proposes
    def command(
        acting: Acting,
        first: Annotated[str, typer.Argument()],
        second: Annotated[str, typer.Argument()] = "",
        *,
        own: Annotated[str, typer.Option("--own")],
    ) -> None:
        """Promise something."""

    assert [*inspect.signature(command).parameters] == [
        *("context", "first", "second", "key_file", "own"),
        *("yes", "passphrase_file", "roots", "ledger_url"),
    ]
    assert command.__doc__ == "Promise something."


@pytest.mark.parametrize("make", [alone, proposes])
def test_commands_refuse_an_option_of_their_own_that_all_have(
    make: Callable[[Body], Command],
) -> None:
    """Else one of the two would get what a person meant for the other."""

    def body(acting: Acting, *, roots: RootsOption = None) -> None:
        """Do nothing."""

    with pytest.raises(ValueError, match="roots"):
        make(body)
