"""How a gateway would take up its own new keys: the watch of files with the real reader."""

from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from broker.errors import ConfigurationError
from broker.file_watch import FileWatch
from broker.gateway_secrets import Secrets, read_secrets
from broker.sandbox.world import World, make_world
from keys.algorithms import SignatureAlgorithm
from keys.custody.bundle import KeyBundle, write_bundle
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.identifiers import KeyId
from keys.key import SigningKey
from keys.secret import Passphrase
from tests.fakes.certificates import replace_file
from tests.flow.conftest import PLAN


class Watched:
    """A gateway's secrets in force, and the files that they come from."""

    def __init__(self, world: World) -> None:
        settings = world.settings
        self.folder = world.folder
        self.settings = settings
        names = (settings.keys, settings.passphrase_file, settings.roots)
        files = tuple(settings.at_home(name) for name in names)
        self.watch: FileWatch[Secrets] = FileWatch(
            "gateway-keys",
            files=lambda: files,
            read=lambda: read_secrets(settings, minimum=INTERACTIVE_DEMO),
            take=self.take,
        )
        self.in_force = read_secrets(settings, minimum=INTERACTIVE_DEMO)

    def take(self, new: Secrets) -> None:
        """Let them count."""
        self.in_force = new

    def set_keys(self, keys: list[SigningKey]) -> None:
        """Put another bundle in place, under another passphrase."""
        beside = self.folder / "gateway.keys.new"
        closed_with = Passphrase.from_text("another")
        write_bundle(beside, KeyBundle.of(keys), closed_with, cost=INTERACTIVE_DEMO)
        beside.replace(self.folder / "gateway.keys")

    def set_passphrase(self) -> None:
        """Put that passphrase in place."""
        replace_file(self.folder / "gateway.passphrase", b"another")


@pytest.fixture
async def watched(tmp_path: Path) -> Watched:
    """The gateway of a sandbox."""
    return Watched(await make_world(tmp_path / "exchange", PLAN, cost=INTERACTIVE_DEMO))


@pytest.mark.parametrize("is_key_file_first", [True, False])
async def test_secrets_count_when_key_file_and_passphrase_fit(
    watched: Watched, *, is_key_file_first: bool
) -> None:
    """In either order, with a pause between: the gateway signs with what it has, then the new."""
    names = ("GW-receipt-1", "GW-token-1")
    keys = [SigningKey.generate(SignatureAlgorithm.ED25519, KeyId(name)) for name in names]
    before = watched.in_force
    steps: list[Callable[[], None]] = [lambda: watched.set_keys(keys), watched.set_passphrase]
    if not is_key_file_first:
        steps.reverse()
    steps[0]()
    with structlog.testing.capture_logs() as logs:
        halfway = await watched.watch.check()
    between = watched.in_force
    steps[1]()

    taken = await watched.watch.check()

    assert (halfway, taken, between is before) == (False, True, True)
    assert watched.in_force.signing == {key.kid: key for key in keys}
    assert [(each["event"], each["what"]) for each in logs] == [("reload:failed", "gateway-keys")]


async def test_secrets_stay_when_the_file_holds_somebody_elses_key(watched: Watched) -> None:
    """A gateway that opened a desk's messages, or signed for a country, is no gateway."""
    before = watched.in_force
    foreign = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("MX-fgr-1"))
    watched.set_keys([*before.signing.values(), foreign])
    watched.set_passphrase()

    taken = await watched.watch.check()

    assert not taken
    assert watched.in_force is before
    with pytest.raises(ConfigurationError, match="keep those elsewhere"):
        read_secrets(watched.settings, minimum=INTERACTIVE_DEMO)


async def test_roots_stay_when_the_file_is_half_written(watched: Watched) -> None:
    """Nobody is forgotten because of half a file."""
    before = watched.in_force.pins
    roots = watched.folder / "roots.json"
    replace_file(roots, roots.read_bytes()[:-20])

    taken = await watched.watch.check()

    assert taken is False
    assert watched.in_force.pins is before
