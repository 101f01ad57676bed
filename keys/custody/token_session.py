"""One login at a PKCS#11 token, shared by all threads of this process.

A login belongs to the process and not to a session: whoever logs out, logs everybody out. So
each token has one session here, kept until the process ends, and one lock around it. A child
made by ``fork`` inherits nothing that a token promises to serve: open providers after forking.
"""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

import pkcs11
from pkcs11 import exceptions as refusals

from keys.custody.token_uri import TokenUri
from keys.errors import CustodyError, CustodyFault
from keys.secret import Hidden, Passphrase, without_frames

T = TypeVar("T")

GONE: Final = (
    refusals.NoSuchToken,
    refusals.TokenNotPresent,
    refusals.TokenNotRecognised,
    refusals.DeviceRemoved,
    refusals.DeviceError,
    refusals.SessionHandleInvalid,
    refusals.SessionClosed,
    refusals.SlotIDInvalid,
    refusals.UserNotLoggedIn,
)
FAULTS: Final = (
    (GONE, CustodyFault.TOKEN_ABSENT),
    ((refusals.PinLocked, refusals.PinExpired), CustodyFault.TOKEN_LOCKED),
    (
        (refusals.PinIncorrect, refusals.PinInvalid, refusals.PinLenRange, refusals.PinTooWeak),
        CustodyFault.WRONG_PIN,
    ),
    ((refusals.KeyHandleInvalid, refusals.ObjectHandleInvalid), CustodyFault.UNKNOWN_KEY),
    ((refusals.MultipleTokensReturned,), CustodyFault.BAD_LOCATION),
)
_opened: Final[dict[tuple[str, str, str | None], "TokenSession"]] = {}
_opening: Final = threading.Lock()


class TokenSession(Hidden):
    """A session that is logged in."""

    __slots__ = ("_lost", "_pin", "_session", "lock")

    def __init__(self, session: pkcs11.Session, pin: Passphrase) -> None:
        self._session = session
        self._pin = pin
        self._lost = False
        self.lock: Final = threading.RLock()
        """Held around what must not be mixed with another thread's acts."""

    def ask(self, act: Callable[[pkcs11.Session], T]) -> T:
        """Have the token do something.

        Raises:
            CustodyError: It is away, or refuses.
        """
        with self.lock:
            try:
                return act(self._session)
            except pkcs11.PKCS11Error as error:
                fault = fault_of(error)
                self._lost = self._lost or isinstance(error, GONE)
        raise CustodyError(fault)

    @without_frames
    def change_pin(self, new: Passphrase) -> None:
        """Set another PIN.

        Raises:
            CustodyError: The token does not accept it.
        """
        old = self._pin
        self.ask(lambda session: session.set_pin(_text(old), _text(new)))
        self._pin = new

    def serves(self, pin: Passphrase) -> bool:
        """Can it still be used by whoever knows this PIN?

        Raises:
            CustodyError: It was logged in with another PIN.
        """
        if self._lost:
            return False
        if self._pin != pin:
            # The token is not asked: it counts wrong PINs, and locks.
            raise CustodyError(CustodyFault.WRONG_PIN)
        return True


def open_session(uri: TokenUri, pin: Passphrase) -> TokenSession:
    """Log in, or find the login of this process.

    Raises:
        CustodyError: The library does not load, the token is away, or the PIN is wrong.
    """
    place = (str(uri.module), uri.token, uri.serial)
    with _opening:
        known = _opened.get(place)
        if known is None or not known.serves(pin):
            _opened[place] = known = TokenSession(_login(uri, pin), pin)
    return known


@without_frames
def _login(uri: TokenUri, pin: Passphrase) -> pkcs11.Session:
    if not pin.reveal():
        raise CustodyError(CustodyFault.EMPTY_PASSPHRASE)
    try:
        tokens = _tokens(uri)
    except (pkcs11.PKCS11Error, RuntimeError, OSError):
        raise CustodyError(CustodyFault.NO_DRIVER) from None
    if len(tokens) != 1:
        raise CustodyError(CustodyFault.BAD_LOCATION if tokens else CustodyFault.TOKEN_ABSENT)
    try:
        return tokens[0].open(rw=True, user_pin=_text(pin))
    except pkcs11.PKCS11Error as error:
        raise CustodyError(fault_of(error)) from None


def _tokens(uri: TokenUri) -> list[pkcs11.Token]:
    library = pkcs11.lib(str(uri.module))
    found = list(library.get_tokens(token_label=uri.token))
    if not found and not _opened:
        # A library looks for tokens when it starts; one that was put in later shows only now.
        library.reinitialize()
        found = list(library.get_tokens(token_label=uri.token))
    return [each for each in found if uri.serial in {None, each.serial.decode(errors="replace")}]


def fault_of(error: pkcs11.PKCS11Error) -> CustodyFault:
    """Say what a token's refusal means to whoever keeps keys in it."""
    for kinds, fault in FAULTS:
        if isinstance(error, kinds):
            return fault
    return CustodyFault.TOKEN_REFUSES


def _text(pin: Passphrase) -> str:
    return pin.reveal().decode("utf-8", errors="replace")
