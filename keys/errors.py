"""What can be wrong with a key, a signature or a statement; nothing here knows of ``broker``.

Every text is fixed beforehand: none repeats a submitted value, a key or a token, so an
error of this package may be logged. Callers in ``broker`` translate by type, or by ``code``.
"""


class KeysError(Exception):
    """Anything that this package refuses."""

    code = "key-error"
    """Stable; one for each subclass."""


class KeyFormatError(KeysError):
    """A key, a key id or an encoding is not well formed, or not a kind that we accept."""

    code = "key-format"


class SignatureError(KeysError):
    """A JWS is malformed, is meant for something else, or its signature does not hold."""

    code = "signature-invalid"


class DecryptionError(KeysError):
    """A wrapped key does not open; one text for every cause."""

    code = "decryption-failed"

    def __init__(self) -> None:
        super().__init__("the wrapped key does not open")


class StatementError(KeysError):
    """A key statement is malformed, or its country did not make it."""

    code = "key-statement-invalid"


class NoKeyError(KeysError):
    """No key serves this holder and purpose at this moment."""

    code = "key-unavailable"


class CustodyError(KeysError):
    """A key file cannot be read or written safely."""

    code = "key-custody"
