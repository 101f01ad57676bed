"""The gateway's certificate: proved before it is shown, and exchanged between two handshakes.

A new certificate makes a new context. The listener asks for the context at each connection,
so the next handshake has the new one, and what is open goes on with the one that it began
with. A context in use is never changed: between its certificate and its key there would be a
moment in which it has only one of them, and kept sessions would go on showing the old one.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from broker.errors import ConfigurationError
from broker.file_watch import FileWatch, UnusableError
from broker.ports.clock import Clock

ROUNDS: Final = 4
"""Of a handshake in memory; TLS 1.2 takes the most, with two on each side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificate:
    """A certificate that a handshake has proved to fit its key."""

    context: ssl.SSLContext
    not_before: datetime
    not_after: datetime
    is_for_host: bool
    """Whether it names the host of the base URL; behind a balancer it need not."""


class ServerTls:
    """The certificate in force.

    Args:
        certificate: The chain in PEM, the gateway's own first.
        key: Its private key in PEM, without a passphrase; may be the same file.
        host: Of the base URL.
        clock: For how long a certificate is still good.

    Raises:
        ConfigurationError: The files cannot be read or do not belong together, or the
            certificate is not good now.
    """

    def __init__(self, certificate: Path, key: Path, *, host: str, clock: Clock) -> None:
        self._files = (certificate, key)
        self._host = host
        self._clock = clock
        # Before the first reading: a change between the two is found at the first look.
        self.watch: Final = FileWatch(
            "tls-certificate", files=lambda: self._files, read=self._read_next, take=self._use
        )
        """What has to run, so that changes count."""
        self._current = self._read()

    @property
    def context(self) -> ssl.SSLContext:
        """What the next handshake is made with."""
        return self._current.context

    def seconds_left(self) -> float:
        """How long is the certificate in force still good? Negative when it is over."""
        return (self._current.not_after - self._clock()).total_seconds()

    def _use(self, new: ServerCertificate) -> None:
        self._current = new

    def _read(self) -> ServerCertificate:
        certificate, key = self._files
        read = read_certificate(certificate, key, host=self._host)
        now = self._clock()
        if now >= read.not_after:
            raise UnusableError("expired", f"{certificate}: it ended on {read.not_after:%F}")
        if now < read.not_before:
            raise UnusableError(
                "not good yet",
                f"{certificate}: it begins on {read.not_before:%F}; is the clock right?",
            )
        return read

    def _read_next(self) -> ServerCertificate:
        read = self._read()
        if self._current.is_for_host and not read.is_for_host:
            # Some other machine's, by the looks of it. Clients would turn away.
            raise UnusableError("does not name the host of the base URL")
        return read


def read_certificate(certificate: Path, key: Path, *, host: str) -> ServerCertificate:
    """Load a certificate with its key, and prove by a handshake what it shows.

    The files are read once, by the library. Asking the finished context, rather than reading
    them again, leaves no moment in which they could be exchanged in between.

    Raises:
        ConfigurationError: They cannot be read, or do not belong together.
    """
    context = server_context(certificate, key)
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    shown = _shake_hands(context, anybody, host)
    leaf = x509.load_der_x509_certificate(shown)
    return ServerCertificate(
        context=context,
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        is_for_host=_is_for(context, shown, host),
    )


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Make the TLS settings: TLS 1.3, and 1.2 with forward secrecy (RFC 9325).

    Raises:
        ConfigurationError: The files cannot be read, or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        # An empty passphrase opens nothing; without it the library would ask at the terminal.
        context.load_cert_chain(certificate, key, password=b"")
    except (OSError, ssl.SSLError):
        raise UnusableError(
            "no readable certificate with its key",
            f"{certificate}, {key}: no readable certificate with its key",
        ) from None
    return context


def _is_for(context: ssl.SSLContext, leaf: bytes, host: str) -> bool:
    """Would a client that trusts this very certificate take it for this host?"""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=leaf)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        _shake_hands(context, client, host)
    except ConfigurationError:
        return False
    return True


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> bytes:
    """Shake hands in memory; gives the certificate that was shown."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(down, up, server_hostname=host)
    ours = server.wrap_bio(up, down, server_side=True)
    steps: tuple[Callable[[], None], ...] = (theirs.do_handshake, ours.do_handshake)
    try:
        for step in steps * ROUNDS:
            with suppress(ssl.SSLWantReadError):
                step()
        shown = theirs.getpeercert(binary_form=True)
    except (ssl.SSLError, ValueError):
        raise UnusableError("no handshake succeeds with it") from None
    if shown is None:
        raise UnusableError("no handshake succeeds with it")
    return shown
