"""Edge. What an operator sets: from ``ENLACE_*`` variables, secrets from files only.

Every setting works when it is absent, in development. In production mode the program refuses
what is only good for one machine, and says which setting to change.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from broker.errors import ConfigurationError

PREFIX: Final = "ENLACE_"
OF_OTHERS: Final = frozenset({"ENLACE_LANG", "ENLACE_OUTPUT", "ENLACE_PROFILE"})
"""Read by the command line and by desks."""
ELSEWHERE: Final = ("pkcs11:", "credential:")
"""What may stand in the place of a path: see docs/custody.md."""
FOR_TESTS: Final = ("ENLACE_TEST_", "ENLACE_REQUIRE_", "ENLACE_BENCH_")


class Mode(StrEnum):
    """How strict the program is with its own settings."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """The settings of a gateway process."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    mode: Mode = Mode.PRODUCTION
    """``development`` allows the local transport and loopback addresses."""
    home: Path = Path("enlace-home")
    """The folder that the paths below are relative to."""
    base_url: str = "https://localhost:8443"
    """Scheme, host and port as clients write them: the issuer, and what ``htu`` begins with."""
    listen: str = "127.0.0.1:8443"
    management_listen: str = "127.0.0.1:8444"
    """Health and metrics, plain HTTP: never an address that clients reach."""
    tls_certificate: Path | None = Path("tls/gateway.pem")
    tls_key: Path | None = Path("tls/gateway.key")
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Whose ``X-Forwarded-For`` is believed, and who alone may speak plain HTTP to us."""
    plain_http: bool = False
    """Behind a load balancer that ends TLS, and only with ``trusted_proxies``."""
    ledger_url: SecretStr | None = None
    """``sqlite:///…`` or ``postgresql+asyncpg://…``; default: SQLite in ``home``."""
    ledger_url_file: Path | None = None
    amqp_url: SecretStr | None = None
    """``amqp://…`` or ``amqps://…``; absent means the local transport."""
    amqp_url_file: Path | None = None
    amqp_namespace: str = Field(default="", pattern=r"^[a-z0-9.-]{0,32}$")
    """Stands before every name in RabbitMQ, so that exchanges can share a virtual host."""
    keys: Path = Path("gateway.keys")
    """The encrypted key bundle with the receipt key and the token key."""
    passphrase_file: Path = Path("gateway.passphrase")
    secret_file: Path = Path("gateway.secret")
    """At least 32 bytes that all gateways of the exchange share, and nobody else."""
    roots: Path = Path("roots.json")
    """The countries' root keys, brought here by another way than the ledger."""
    max_connections_per_address: int = Field(default=64, ge=1)
    max_connections: int = Field(default=800, ge=1)
    """Of all together; below the usual 1,024 open files, so that the ledger always has some."""
    client_requests_per_second: float = Field(default=200.0, gt=0)
    client_burst: int = Field(default=400, ge=1)
    address_requests_per_second: float = Field(default=50.0, gt=0)
    address_burst: int = Field(default=200, ge=1)
    max_postings_per_client: int = Field(default=32, ge=1)
    """Messages of one client in work at once."""
    lease_seconds: int = Field(default=60, ge=1, le=900)
    drain_seconds: int = Field(default=25, ge=0, le=300)
    """For what is in work at the end; below the 30 s after which orchestrators kill."""

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()]
            if isinstance(value, str)
            else value
        )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.plain_http and not self.trusted_proxies:
            raise ValueError("plain_http needs trusted_proxies: name the load balancer")
        if self.mode is Mode.PRODUCTION:
            self._check_production()
        return self

    def _check_production(self) -> None:
        if self.amqp_url is None and self.amqp_url_file is None:
            raise ValueError("production needs RabbitMQ: set ENLACE_AMQP_URL_FILE")
        host = urlsplit(self.base_url).hostname or ""
        if not self.base_url.startswith("https://") or is_loopback(host):
            raise ValueError("production needs the public https ENLACE_BASE_URL")

    @property
    def database_url(self) -> str:
        """The ledger's URL, wherever it was set."""
        url = _secret(self.ledger_url, self.ledger_url_file)
        return url or f"sqlite:///{(self.home / 'ledger.sqlite').resolve()}"

    @property
    def broker_url(self) -> str | None:
        """RabbitMQ's URL, wherever it was set; None means the local transport."""
        return _secret(self.amqp_url, self.amqp_url_file)

    def at_home(self, path: Path) -> Path:
        """Find a file: relative paths lie in ``home``; a token or a credential lies nowhere."""
        is_file = not str(path).startswith(ELSEWHERE)
        return self.home / path if is_file else path


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment.

    Raises:
        ConfigurationError: A setting is missing, malformed, unknown, or forbidden in this mode.
    """
    _refuse_unknown(os.environ)
    try:
        return Settings(**overrides)  # type: ignore[arg-type] # pydantic checks each value
    except ValidationError as error:
        raise ConfigurationError("; ".join(_say(one) for one in error.errors())) from None


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    # A misspelt setting would leave its default in force, and nobody would know.
    known = {PREFIX + name.upper() for name in Settings.model_fields} | OF_OTHERS
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and not name.startswith(FOR_TESTS):
            raise ConfigurationError(f"{name}: there is no such setting")


def is_loopback(host: str) -> bool:
    """Whether a host name means this very machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _say(error: object) -> str:
    # Only the name and pydantic's words: the value may be a secret.
    if not isinstance(error, dict):
        return "a setting is not valid"
    name = "_".join(str(part) for part in error["loc"]).upper()
    prefix = f"ENLACE_{name}: " if name else ""
    return f"{prefix}{str(error['msg']).removeprefix('Value error, ')}"


def _secret(value: SecretStr | None, file: Path | None) -> str | None:
    if value is not None and file is not None:
        raise ConfigurationError("a secret is set both as a value and as a file; keep the file")
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"{file}: {error.strerror}") from None
    return None if value is None else value.get_secret_value()
