"""With which of its keys did a client obtain its last token?"""

from broker.desk.client import EnlaceClient
from keys.key import SigningKey


def served_key(client: EnlaceClient) -> SigningKey:
    """Name the key; a test that asks before there was a token fails."""
    served = client._opened().tokens._served
    assert served is not None, "no token yet"
    return served[0]
