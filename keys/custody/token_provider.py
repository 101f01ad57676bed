"""Private keys in a PKCS#11 token: signing keys inside, decryption keys in a file it wraps."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import final

from keys.algorithms import SignatureAlgorithm
from keys.custody import token_keys
from keys.custody.bundle import KeyBundle, PrivateKey
from keys.custody.provider import KeyWish
from keys.custody.token_seeds import SeedFile
from keys.custody.token_session import TokenSession, open_session
from keys.custody.token_uri import TokenUri
from keys.errors import CustodyError, CustodyFault
from keys.identifiers import KeyId
from keys.key import DecryptionKey, SigningKey
from keys.secret import Hidden, Passphrase


@final
class TokenProvider(Hidden):
    """A token and, if keys that open are wanted, the file beside it.

    A process that is killed in the middle of making several keys leaves those that were made;
    errors leave none. Writers on one machine wait for each other if the URI names a file;
    without one, only those of this process do, and the second of two keys of one name makes
    ``read`` refuse both.
    """

    __slots__ = ("_seeds", "_token")

    def __init__(self, token: TokenSession, seeds: SeedFile | None) -> None:
        self._token = token
        self._seeds = seeds

    @staticmethod
    def open(uri: TokenUri, pin: Passphrase) -> "TokenProvider":
        """Log in.

        Raises:
            CustodyError: The token is away, locked, or refuses the PIN.
        """
        token = open_session(uri, pin)
        seeds = None if uri.seed_file is None else SeedFile(token, uri.seed_file)
        return TokenProvider(token, seeds)

    def read(self) -> KeyBundle:
        """See the port."""
        decryption = () if self._seeds is None else self._seeds.read().keys
        return KeyBundle.of((*token_keys.read_keys(self._token), *decryption))

    def generate(self, wishes: Sequence[KeyWish]) -> tuple[PrivateKey, ...]:
        """See the port."""
        with self._writing(wish.kid for wish in wishes) as names:
            made = tuple(self._make(wish) for wish in wishes)
            self._add_seeds(made)
            names.clear()
        return made

    def add(self, keys: Iterable[PrivateKey]) -> None:
        """See the port."""
        added = tuple(keys)
        with self._writing(key.kid for key in added) as names:
            for key in added:
                if isinstance(key, SigningKey):
                    token_keys.put_key(self._token, key)
            self._add_seeds(added)
            names.clear()

    def erase(self, kid: KeyId) -> None:
        """See the port."""
        with self._alone():
            bundle = self.read()
            if kid in bundle.signing:
                token_keys.destroy_key(self._token, kid)
            elif self._seeds is not None and kid in bundle.decryption:
                self._seeds.write(self._seeds.read().without(kid))
            else:
                raise CustodyError(CustodyFault.UNKNOWN_KEY)

    def change_passphrase(self, new: Passphrase) -> None:
        """See the port."""
        if not new.reveal():
            raise CustodyError(CustodyFault.EMPTY_PASSPHRASE)
        self._token.change_pin(new)

    def _make(self, wish: KeyWish) -> PrivateKey:
        if isinstance(wish.algorithm, SignatureAlgorithm):
            return token_keys.make_key(self._token, wish.kid, wish.algorithm)
        return wish.make()

    def _add_seeds(self, keys: Sequence[PrivateKey]) -> None:
        if decryption := [key for key in keys if isinstance(key, DecryptionKey)]:
            if self._seeds is None:
                raise CustodyError(CustodyFault.NO_SEED_FILE)
            self._seeds.write(self._seeds.read().having(decryption))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._seeds.locked() if self._seeds else contextlib.nullcontext(), self._token.lock:
            yield

    @contextlib.contextmanager
    def _writing(self, kids: Iterable[KeyId]) -> Iterator[set[KeyId]]:
        # What stands in the set when an error comes is destroyed again.
        with self._alone():
            names, new = self.read(), tuple(kids)
            if len(set(new)) != len(new) or any(kid in names for kid in new):
                raise CustodyError(CustodyFault.DUPLICATE_KEY)
            unfinished = set(new)
            try:
                for kid in new:
                    token_keys.destroy_public_half(self._token, kid)
                yield unfinished
            finally:
                for kid in unfinished:
                    with contextlib.suppress(CustodyError):
                        token_keys.destroy_key(self._token, kid)
