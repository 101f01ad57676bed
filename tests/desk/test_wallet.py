"""Does a desk act with the keys of now, whatever is exchanged while it runs?"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from broker.desk import wallet as wallet_module
from broker.desk.client import EnlaceClient
from broker.desk.failures import AccessError
from broker.desk.inbox import Inbox, read_inbox
from broker.desk.opener import Opener
from broker.desk.pins import Pins
from broker.desk.profile import Profile
from broker.desk.subscribe import Subscription
from broker.desk.wallet import FileWallet, Wallet
from broker.errors import ConfigurationError
from keys.custody.bundle import KeyBundle, write_bundle
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.errors import CustodyError
from keys.identifiers import KeyId
from keys.secret import Passphrase
from schemas.vocabulary import Language
from tests.desk import world
from tests.desk.served import served_key
from tests.desk.world import FakeClock, HandOverParts
from tests.fakes.certificates import Authority, replace_file
from tests.fakes.gateway import FakeClient, FakeGateway, Fault

STANDARD = ("GT-client-1", "GT-int-sig-1", "GT-int-enc-1")
ENVIRON: dict[str, str] = {}


class Keeper:
    """The person who keeps a desk's files, and how that person exchanges them."""

    def __init__(self, folder: Path, gateway: str) -> None:
        self.folder = folder
        self.bundle = folder / "client.key"
        self.profile_file = folder / "profile.toml"
        self.passphrase_file = folder / "passphrase"
        self.roots = folder / "roots.json"
        self.set_passphrase("first")
        self.set_bundle(*STANDARD)
        self.set_pins(world.pins())
        profile = replace(world.desk_profile(gateway), passphrase_file=self.passphrase_file)
        profile = replace(profile, key_file=self.bundle, roots_file=self.roots)
        profile.write(folder)

    def set_passphrase(self, text: str) -> None:
        """Put another passphrase in place."""
        replace_file(self.passphrase_file, f"{text}\n".encode())

    def set_bundle(self, *names: str, opens_with: str = "first") -> None:
        """Put another bundle in place."""
        made = [
            world.decryption_key(name) if "-enc-" in name else world.signing_key(name)
            for name in names
        ]
        beside = self.folder / "client.key.new"
        closed_with = Passphrase.from_text(opens_with)
        write_bundle(beside, KeyBundle.of(made), closed_with, cost=INTERACTIVE_DEMO)
        beside.replace(self.bundle)

    def set_pins(self, pins: Pins) -> None:
        """Pin other keys."""
        replace_file(self.roots, pins.to_bytes())

    def set_profile(self, old: str, new: str) -> None:
        """Change a word of the profile."""
        text = self.profile_file.read_text()
        assert old in text
        replace_file(self.profile_file, text.replace(old, new).encode())

    def profile(self) -> Profile:
        """Read the profile."""
        return Profile.load(self.folder)

    def open(self, **options: Any) -> FileWallet:
        """Open the wallet, as a new process would."""
        options = {"environ": ENVIRON, "minimum": INTERACTIVE_DEMO, **options}
        profile = options.pop("profile", None) or self.profile()
        return FileWallet(profile, **options)


@pytest.fixture
def keeper(tmp_path: Path, gateway: FakeGateway) -> Keeper:
    """Keep the files of the standard desk."""
    folder = tmp_path / "desk"
    folder.mkdir()
    return Keeper(folder, gateway.base_url)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every look be due."""
    monkeypatch.setattr(wallet_module, "LOOK_EVERY", timedelta())


Change = Callable[[Keeper], None]
EXCHANGES: dict[str, tuple[Change, ...]] = {
    "bundle, then profile": (
        lambda keeper: keeper.set_bundle(*STANDARD, "GT-client-2", "GT-int-enc-2"),
        lambda keeper: keeper.set_profile("GT-client-1", "GT-client-2"),
    ),
    "profile, then bundle": (
        lambda keeper: keeper.set_profile("GT-client-1", "GT-client-2"),
        lambda keeper: keeper.set_bundle(*STANDARD, "GT-client-2", "GT-int-enc-2"),
    ),
    "passphrase, then bundle": (
        lambda keeper: keeper.set_passphrase("second"),
        lambda keeper: keeper.set_bundle(*STANDARD, "GT-int-enc-2", opens_with="second"),
    ),
    "bundle, then passphrase": (
        lambda keeper: keeper.set_bundle(*STANDARD, "GT-int-enc-2", opens_with="second"),
        lambda keeper: keeper.set_passphrase("second"),
    ),
    "half a bundle, then the whole": (
        lambda keeper: replace_file(keeper.bundle, keeper.bundle.read_bytes()[:50]),
        lambda keeper: keeper.set_bundle(*STANDARD, "GT-int-enc-2"),
    ),
    "nothing, then the bundle": (
        lambda keeper: keeper.bundle.unlink(),
        lambda keeper: keeper.set_bundle(*STANDARD, "GT-int-enc-2"),
    ),
}


@pytest.mark.parametrize("name", EXCHANGES)
async def test_look_takes_both_files_when_the_second_one_fits(keeper: Keeper, name: str) -> None:
    """Profile, bundle and passphrase count together, in whichever order they come."""
    first, second = EXCHANGES[name]
    wallet = keeper.open()
    before = wallet.current
    first(keeper)
    await wallet.look()
    await wallet.look()
    between = wallet.current

    second(keeper)
    await wallet.look()

    held = wallet.current
    # A bundle with more keys fits the old profile already, and then counts at once.
    assert between is before or between.profile == before.profile
    assert between.keys.authentication == before.keys.authentication
    assert held.keys.authentication.kid == held.profile.authentication_key
    assert held.profile == keeper.profile()
    assert {"GT-int-enc-1", "GT-int-enc-2"} == set(held.keys.decryption)


async def test_look_keeps_the_old_keys_and_says_why_when_the_new_do_not_open(
    keeper: Keeper,
) -> None:
    """The log names the thing and a fixed reason, and no path, key or passphrase."""
    wallet = keeper.open()
    before = wallet.current
    keeper.set_passphrase("geheim")

    with structlog.testing.capture_logs() as logs:
        await wallet.look()

    assert wallet.current is before
    assert [(each["event"], each["what"]) for each in logs] == [("reload:failed", "desk-keys")]
    assert "geheim" not in str(logs)
    assert str(keeper.folder) not in str(logs)


def without_mexico() -> Pins:
    """Pin everybody but the country that writes."""
    roots = world.pins().roots
    return Pins(roots={owner: roots[owner] for owner in roots if owner != world.FISCALIA.country})


async def test_look_takes_new_pins_when_the_keys_do_not_open(keeper: Keeper) -> None:
    """What is worth having alone does not wait for the rest."""
    wallet = keeper.open()
    pins = without_mexico()
    keeper.set_passphrase("second")
    keeper.set_pins(pins)

    await wallet.look()

    assert wallet.current.pins == pins
    assert wallet.current.keys.authentication.kid == "GT-client-1"


async def test_look_keeps_the_pins_when_the_file_is_malformed(keeper: Keeper) -> None:
    """Nobody is trusted, or forgotten, because of half a file."""
    wallet = keeper.open()
    replace_file(keeper.roots, b'{"MX": [')

    await wallet.look()

    assert wallet.current.pins == world.pins()


async def test_look_takes_another_authority_when_its_file_changes(
    keeper: Keeper, tmp_path: Path
) -> None:
    """A context stays the same value for as long as nothing changes: connections depend on it."""
    authority = tmp_path / "ca.pem"
    authority.write_bytes(Authority().pem)
    wallet = keeper.open(profile=replace(keeper.profile(), ca_file=authority))
    before = wallet.tls
    await wallet.look()
    unchanged = wallet.tls
    replace_file(authority, b"no certificate")
    await wallet.look()
    unusable = wallet.tls

    replace_file(authority, Authority().pem)
    await wallet.look()

    assert unchanged is before
    assert unusable is before
    assert wallet.tls is not before


async def test_look_keeps_what_the_caller_set_when_the_profile_changes(keeper: Keeper) -> None:
    """A person's terminal decides the language; the rest comes from the file."""
    wallet = keeper.open(profile=replace(keeper.profile(), language=Language.SPANISH))
    keeper.set_bundle(*STANDARD, "GT-int-sig-2")
    keeper.set_profile("GT-int-sig-1", "GT-int-sig-2")

    await wallet.look()

    profile = wallet.current.profile
    assert (profile.language, profile.signature_key) == (Language.SPANISH, "GT-int-sig-2")


async def test_look_opens_with_the_typed_passphrase_when_the_bundle_changes(
    keeper: Keeper,
) -> None:
    """Who typed it once is not asked again."""
    wallet = keeper.open(passphrase=Passphrase.from_text("first"))
    keeper.passphrase_file.unlink()
    keeper.set_bundle(*STANDARD, "GT-int-enc-2")

    await wallet.look()

    assert "GT-int-enc-2" in wallet.current.keys.decryption
    assert "first" not in repr(wallet.__dict__)


async def test_refresh_looks_once_a_second_when_it_is_asked_often(keeper: Keeper) -> None:
    """Asking costs nothing, and a new key counts after a second at most."""
    clock = FakeClock()
    wallet = keeper.open(monotonic=clock.timing.monotonic)
    keeper.set_bundle(*STANDARD, "GT-int-enc-2")
    await wallet.refresh()
    at_first = set(wallet.current.keys.decryption)
    clock.pass_time(timedelta(seconds=1))

    await wallet.refresh()
    later = set(wallet.current.keys.decryption)
    keeper.set_bundle(*STANDARD, "GT-int-enc-3")
    await wallet.refresh()

    assert at_first == {"GT-int-enc-1"}
    assert later == set(wallet.current.keys.decryption) == {"GT-int-enc-1", "GT-int-enc-2"}


async def test_refresh_lets_the_loop_turn_when_a_bundle_is_opened(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stretching a passphrase takes a tenth of a second, in which others are served."""
    wallet = keeper.open()
    loop, opening = asyncio.get_running_loop(), asyncio.Event()
    goes_on = threading.Event()

    def slow(profile: Profile) -> Any:
        loop.call_soon_threadsafe(opening.set)
        assert goes_on.wait(10)
        return real(profile)

    real = wallet._read_keys
    monkeypatch.setattr(wallet, "_read_keys", slow)
    keeper.set_bundle(*STANDARD, "GT-int-enc-2")
    looking = asyncio.create_task(wallet.look())
    await opening.wait()
    await wallet.refresh()
    goes_on.set()
    await looking

    assert "GT-int-enc-2" in wallet.current.keys.decryption


@pytest.mark.parametrize("file", ["bundle", "passphrase_file", "roots"])
def test_open_is_refused_when_a_file_is_missing(keeper: Keeper, file: str) -> None:
    """At the start there is nothing to keep."""
    getattr(keeper, file).unlink()

    with pytest.raises((ConfigurationError, CustodyError)):
        keeper.open()


async def test_look_changes_nothing_when_the_keys_were_given() -> None:
    """Tests and the sandbox hold keys without files."""
    profile = world.desk_profile("https://enlace.test")
    wallet = Wallet(profile, world.held_keys(profile), world.pins())
    before = wallet.current

    await wallet.refresh()
    await wallet.look()

    assert wallet.current is before


# --- what a client does with it ---------------------------------------------------------


@asynccontextmanager
async def opened(keeper: Keeper, clock: FakeClock) -> AsyncIterator[EnlaceClient]:
    """A client that follows the keeper's files."""
    async with EnlaceClient.of_wallet(keeper.open(), timing=clock.timing) as client:
        yield client


def know(gateway: FakeGateway, *names: str) -> None:
    """Let the gateway take these client keys for the desk's, and no other."""
    keys = tuple(world.signing_key(name).public for name in names)
    gateway.clients = {
        **gateway.clients,
        "gt-intelligence": FakeClient(subject=world.DESK, keys=keys),
    }


def take_client_key(keeper: Keeper, number: int) -> None:
    """Put the next client key in place."""
    keeper.set_bundle(*STANDARD, f"GT-client-{number}")
    keeper.set_profile(f"GT-client-{number - 1}", f"GT-client-{number}")


async def test_token_stays_in_use_when_the_client_key_changes(
    keeper: Keeper, gateway: FakeGateway, clock: FakeClock
) -> None:
    """What the old key obtained is good until its end; then the new key asks."""
    async with opened(keeper, clock) as client:
        await client.queues()
        take_client_key(keeper, 2)
        know(gateway, "GT-client-2")
        await client.wallet.look()
        await client.queues()
        with_the_old = gateway.token_requests
        clock.pass_time(timedelta(seconds=gateway.token_life))
        await client.queues()

    assert client.profile.authentication_key == "GT-client-2"
    assert gateway.token_requests > with_the_old


async def test_client_reads_its_wallet_again_when_its_key_is_refused(
    keeper: Keeper, gateway: FakeGateway, clock: FakeClock
) -> None:
    """The keeper was faster than our next look."""
    async with opened(keeper, clock) as client:
        take_client_key(keeper, 2)
        know(gateway, "GT-client-2")

        await client.queues()

    assert client.keys.authentication.kid == "GT-client-2"


async def test_client_falls_back_to_the_old_key_when_the_new_one_came_too_early(
    keeper: Keeper, gateway: FakeGateway, clock: FakeClock
) -> None:
    """A key in place before its statement has arrived stops nothing."""
    async with opened(keeper, clock) as client:
        await client.queues()
        take_client_key(keeper, 2)
        await client.wallet.look()
        clock.pass_time(timedelta(seconds=gateway.token_life))

        await client.queues()

    assert client.keys.authentication.kid == "GT-client-2"


async def test_client_gives_up_when_no_key_of_its_serves(
    keeper: Keeper, gateway: FakeGateway, clock: FakeClock
) -> None:
    """A refused key is not tried again for ever."""
    know(gateway, "GT-client-3")
    async with opened(keeper, clock) as client:
        with pytest.raises(AccessError):
            await client.queues()

    assert gateway.token_requests <= 4


async def test_client_reads_its_wallet_again_when_its_token_is_refused(
    keeper: Keeper, gateway: FakeGateway, clock: FakeClock
) -> None:
    """The next token is asked for with the key of now."""
    async with opened(keeper, clock) as client:
        await client.queues()
        take_client_key(keeper, 2)
        know(gateway, "GT-client-1", "GT-client-2")
        gateway.faults["/v1/queues"].append(Fault(status=401, code="token-invalid"))

        await client.queues()

        assert served_key(client) == world.signing_key("GT-client-2")


async def test_token_is_not_used_for_another_client_when_the_profile_changes(
    keeper: Keeper, gateway: FakeGateway, clock: FakeClock
) -> None:
    """A profile of another client asks for a token of its own."""
    gateway.clients = {**gateway.clients, "gt-other": gateway.clients["gt-intelligence"]}
    async with opened(keeper, clock) as client:
        await client.queues()
        before = gateway.token_requests
        keeper.set_profile("gt-intelligence", "gt-other")
        await client.wallet.look()

        await client.queues()

    assert gateway.token_requests == before + 1
    assert client.profile.client_id == "gt-other"


async def test_open_reads_the_wallet_again_when_a_decryption_key_is_missing(
    keeper: Keeper, clock: FakeClock
) -> None:
    """The key came after our last look, and before the message; the old one opens as well."""
    hand_overs = [
        HandOverParts(number=number, hand_over=number, sealed_to=f"GT-int-enc-{number}").received()
        for number in (1, 2)
    ]
    async with opened(keeper, clock) as client:
        opener = Opener(client, world.schemas())
        await opener.refresh_directory()
        keeper.set_bundle(*STANDARD, "GT-int-enc-2")

        outcome = await opener.open(hand_overs)

    assert [each.opened_with for each in outcome.opened] == ["GT-int-enc-1", "GT-int-enc-2"]
    assert (outcome.unopened, outcome.not_ready) == ([], [])


async def test_open_is_not_ready_when_the_key_is_not_in_the_file_either(
    keeper: Keeper, clock: FakeClock
) -> None:
    """Nothing is refused for it."""
    hand_over = HandOverParts(sealed_to="GT-int-enc-2").received()
    async with opened(keeper, clock) as client:
        outcome = await Opener(client, world.schemas()).open([hand_over])

    assert [each.step for each in outcome.not_ready] == ["decryption-key"]


async def test_open_holds_against_the_new_pins_when_roots_change(
    keeper: Keeper, gateway: FakeGateway, clock: FakeClock
) -> None:
    """A directory that was verified against the old roots is verified anew."""
    hand_over = HandOverParts().received()
    keeper.set_pins(without_mexico())
    async with opened(keeper, clock) as client:
        opener = Opener(client, world.schemas())
        await opener.refresh_directory()
        keeper.set_pins(world.pins())

        outcome = await opener.open([hand_over])

    assert len(outcome.opened) == 1
    assert sum(path == "/v1/directory" for _, path in gateway.requests) == 2


async def test_directory_is_verified_anew_when_a_root_is_taken_back(
    keeper: Keeper, clock: FakeClock
) -> None:
    """An unchanged directory says nothing of whom we trust now."""
    async with opened(keeper, clock) as client:
        before = await client.directory()
        keeper.set_pins(without_mexico())
        await client.wallet.look()

        after = await client.directory()

    kid = KeyId("MX-fiscalia-1")
    assert before.message_key(kid, world.NOW) is not None
    assert after.message_key(kid, world.NOW) is None


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("order", ["passphrase first", "bundle first"])
async def test_subscription_goes_on_when_passphrase_and_bundle_are_replaced(
    keeper: Keeper, gateway: FakeGateway, clock: FakeClock, tmp_path: Path, order: str
) -> None:
    """Before, between and after: every message is stored, and acknowledged."""
    steps: list[Callable[[], None]] = [
        lambda: keeper.set_passphrase("second"),
        lambda: keeper.set_bundle(*STANDARD, "GT-int-enc-2", opens_with="second"),
    ]
    if order == "bundle first":
        steps.reverse()
    async with opened(keeper, clock) as client, subscribed(client, tmp_path) as inbox:
        await arrives(gateway, inbox, 1)
        steps[0]()
        await arrives(gateway, inbox, 2)
        steps[1]()
        await arrives(gateway, inbox, 3, sealed_to="GT-int-enc-2")
        await arrives(gateway, inbox, 4)

    assert [each.state for each in gateway.deliveries.values()] == ["acknowledged"] * 4


@asynccontextmanager
async def subscribed(client: EnlaceClient, folder: Path) -> AsyncIterator[Path]:
    """Subscribe for as long as the context lasts; gives the inbox."""
    file = folder / "inbox.jsonl"
    with Inbox(file) as inbox, Inbox(folder / "refused.jsonl") as refused:
        subscription = Subscription(client, inbox=inbox, refused=refused, schemas=world.schemas())
        running = asyncio.create_task(subscription.run())
        try:
            yield file
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def arrives(gateway: FakeGateway, inbox: Path, number: int, **parts: Any) -> None:
    """Deliver a message, and wait until it is stored and acknowledged."""
    gateway.deliver(HandOverParts(number=number, **parts).to_json())
    for _ in range(1000):
        if len(gateway.answers) >= number:
            break
        await asyncio.sleep(0.01)
    assert len(list(read_inbox(inbox))) == number


def test_profile_knows_its_file_when_it_was_read_from_one(keeper: Keeper) -> None:
    """Where it came from is no part of what it says."""
    read = keeper.profile()

    assert read.source == keeper.profile_file
    assert replace(read, source=None) == read
    assert read.authentication_key == KeyId("GT-client-1")
