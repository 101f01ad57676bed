"""Which certificate do we take for the gateway's?"""

import ssl
from pathlib import Path

from broker.errors import ConfigurationError


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the named authority alone, or those of this machine.

    Raises:
        ConfigurationError: The file is missing or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        # ``SSLError`` is one too: the file is there and is no certificate.
        raise ConfigurationError(f"ca_file: {ca_file}: {error.strerror or error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
