"""Settings: strict in production, and a misspelt one is told."""

import pytest

from broker.errors import ConfigurationError
from broker.settings import load_settings


def test_settings_refuse_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt setting does not leave its default in force unseen."""
    monkeypatch.setenv("ENLACE_LEASE_SECOND", "5")

    with pytest.raises(ConfigurationError, match="ENLACE_LEASE_SECOND"):
        load_settings(mode="development")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "ENLACE_AMQP_URL_FILE"),
        ({"amqp_url": "amqp://x"}, "ENLACE_BASE_URL"),
        ({"amqp_url": "amqp://x", "base_url": "http://exchange.example"}, "ENLACE_BASE_URL"),
        ({"mode": "development", "plain_http": True}, "trusted_proxies"),
        ({"mode": "development", "lease_seconds": 0}, "ENLACE_LEASE_SECONDS"),
    ],
)
def test_settings_name_what_to_change(settings: dict[str, object], named: str) -> None:
    """What is only good for one machine is refused in production, by its name."""
    with pytest.raises(ConfigurationError, match=named):
        load_settings(**settings)


def test_settings_never_repeat_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused value stays out of the error."""
    monkeypatch.setenv("ENLACE_AMQP_URL", "amqp://user:geheim@host")

    with pytest.raises(ConfigurationError) as refused:
        load_settings(base_url="https://localhost:1")

    assert "geheim" not in str(refused.value)
