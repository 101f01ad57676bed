"""Private keys in one encrypted file, the place that needs nothing but a disk."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import final

from keys.custody.bundle import KeyBundle, PrivateKey, encode_bundle, read_bundle, write_bundle
from keys.custody.envelope import RECOMMENDED, KdfCost
from keys.custody.file import exclusive, replace_key_file
from keys.custody.provider import KeyWish
from keys.identifiers import KeyId
from keys.secret import Hidden, Passphrase


@final
class FileProvider(Hidden):
    """A key file. It is read and written anew by each call, so nothing of it grows old."""

    __slots__ = ("_cost", "_passphrase", "_path")

    def __init__(self, path: Path, passphrase: Passphrase, *, cost: KdfCost = RECOMMENDED) -> None:
        self._path = path
        self._passphrase = passphrase
        self._cost = cost

    @staticmethod
    def create(
        path: Path,
        passphrase: Passphrase,
        keys: Iterable[PrivateKey],
        *,
        cost: KdfCost = RECOMMENDED,
    ) -> "FileProvider":
        """Write a new key file.

        Raises:
            CustodyError: It is there already, or the folder cannot be written.
        """
        write_bundle(path, KeyBundle.of(keys), passphrase, cost=cost)
        return FileProvider(path, passphrase, cost=cost)

    def read(self) -> KeyBundle:
        """See the port."""
        return read_bundle(self._path, self._passphrase, minimum=self._cost)

    def generate(self, wishes: Sequence[KeyWish]) -> tuple[PrivateKey, ...]:
        """See the port."""
        made = tuple(wish.make() for wish in wishes)
        self.add(made)
        return made

    def add(self, keys: Iterable[PrivateKey]) -> None:
        """See the port."""
        self._change(lambda bundle: bundle.having(keys), self._passphrase)

    def erase(self, kid: KeyId) -> None:
        """See the port."""
        self._change(lambda bundle: bundle.without(kid), self._passphrase)

    def change_passphrase(self, new: Passphrase) -> None:
        """See the port."""
        self._change(lambda bundle: bundle, new)
        self._passphrase = new

    def _change(self, change: Callable[[KeyBundle], KeyBundle], passphrase: Passphrase) -> None:
        # Read under the lock too: two writers that read the same file would lose a key.
        with exclusive(self._path):
            secret = encode_bundle(change(self.read()))
            replace_key_file(self._path, secret, passphrase, cost=self._cost)
