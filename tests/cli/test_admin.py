"""Administrators' decisions, on a real ledger."""

from pathlib import Path

import pytest

from broker.cli.main import run
from tests.cli.conftest import Cli
from tests.cli.office import open_office

DECISIONS = (
    (("country", "add", "MX"), {"country"}),
    (("country", "add", "gt"), {"country"}),
    (
        ("agency", "add", "MX/fiscalia", "--function", "prosecution", "--name", "Fiscalía"),
        {"agency", "function", "name"},
    ),
    (("desk", "add", "GT.intelligence"), {"desk"}),
    (("client", "add", "mx-fiscalia", "MX/fiscalia"), {"client", "subject", "scopes"}),
)


def test_admin_lists_what_was_decided(ledger: str, cli: Cli) -> None:
    """Each decision is a new version of the directory, and can be read back."""
    for version, (arguments, members) in enumerate(DECISIONS, start=1):
        ran = cli("admin", *arguments, "--ledger-url", ledger, "--json")
        assert ran.code == 0, ran.err
        assert ran.lines[0].keys() == members | {"version"}
        assert ran.lines[0]["version"] == version

    listed = cli("admin", "list", "--ledger-url", ledger, "--json")

    assert [(each["what"], each["name"]) for each in listed.lines] == [
        ("country", "GT"),
        ("country", "MX"),
        ("agency", "MX/fiscalia"),
        ("desk", "GT.intelligence"),
        ("client", "mx-fiscalia"),
    ]


def test_admin_changes_nothing_when_a_decision_is_repeated(ledger: str, cli: Cli) -> None:
    """An operator who is not sure runs the command again."""
    first = cli("admin", "country", "add", "MX", "--ledger-url", ledger, "--json")

    again = cli("admin", "country", "add", "MX", "--ledger-url", ledger, "--json")

    assert again.lines == first.lines


def test_admin_list_asks_for_attention_when_no_root_vouches(
    ledger: str, tmp_path: Path, cli: Cli, passphrase: Path
) -> None:
    """A key that does not count is not shown as one that does."""
    open_office(tmp_path, cli, ledger, passphrase)

    ran = cli("admin", "list", "--roots", tmp_path / "none", "--ledger-url", ledger, "--json")

    assert ran.code == 7
    assert ran.lines[-1]["detail"] == "not-vouched-for"


def test_admin_refuses_a_password_on_the_command_line(cli: Cli) -> None:
    """Every process list shows it; the text does not repeat it."""
    ran = cli("admin", "list", "--ledger-url", "postgresql+asyncpg://e:hunter2@db/enlace")

    assert ran.code == 2
    assert "ENLACE_LEDGER_URL_FILE" in ran.err
    assert "hunter2" not in ran.err


def test_admin_finds_the_ledger_in_the_settings(
    ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    """The file that a gateway reads its URL from serves here as well."""
    file = tmp_path / "ledger_url"
    file.touch(mode=0o600)
    file.write_text(ledger)
    monkeypatch.setenv("ENLACE_LEDGER_URL_FILE", str(file))

    assert cli("admin", "country", "add", "MX").code == 0


def test_db_check_asks_for_attention_before_the_upgrade(tmp_path: Path, cli: Cli) -> None:
    """Status 7 and what to do; after the upgrade 0."""
    url = f"sqlite:///{tmp_path / 'new.sqlite'}"

    before = cli("db", "check", "--ledger-url", url, "--json")
    assert (before.code, before.lines) == (7, [{"schema": "other"}])

    assert cli("db", "upgrade", "--ledger-url", url).code == 0
    after = cli("db", "check", "--ledger-url", url, "--json")
    assert (after.code, after.lines) == (0, [{"schema": "current"}])


def test_config_show_hides_secrets_and_tells_origins(
    monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    """An operator sees what is set where, and a screenshot tells nothing."""
    monkeypatch.setenv("ENLACE_AMQP_URL", "amqp://u:hunter2@mq")
    monkeypatch.setenv("ENLACE_LEASE_SECONDS", "30")

    ran = cli("config", "show", "--json")

    shown = {each["setting"]: (each["value"], each["origin"]) for each in ran.lines}
    assert shown["ENLACE_AMQP_URL"] == ("********", "environment")
    assert shown["ENLACE_LEASE_SECONDS"] == ("30", "environment")
    assert shown["ENLACE_MODE"] == ("production", "default")
    assert "hunter2" not in ran.out + ran.err


def test_gateway_check_config_names_the_missing_setting(cli: Cli) -> None:
    """Production without RabbitMQ is refused before anything starts."""
    ran = cli("gateway", "check-config")

    assert ran.code == 2
    assert "ENLACE_AMQP_URL_FILE" in ran.err
    assert run(["gateway"]) == 2
