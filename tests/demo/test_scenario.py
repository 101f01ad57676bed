"""Does the scenario notice when something does not hold?"""

import io
import os
import stat
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from broker.demo.cast import Scene, plan_for, read_scenes
from broker.demo.progress import Progress
from broker.demo.proofs import ledger_of, prove_ledger_unreadable
from broker.demo.scenario import Stage, play
from broker.demo.search import found_in, words_of
from broker.demo.stage import Options, private_folder
from broker.demo.table import Screen
from broker.demo.words import Words
from broker.model.names import DeskRef
from broker.sandbox.world import World, make_world
from broker.texts.catalogue import Catalogue
from broker.wiring.run import running_gateway
from keys import base64url
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.key import DecryptionKey

FEW = 4


@pytest.fixture
def scenes() -> list[Scene]:
    """Take the first cases."""
    return read_scenes(datetime.now(UTC))[:FEW]


@pytest.fixture
async def world(scenes: list[Scene], tmp_path: Path) -> World:
    """Make eleven countries."""
    return await make_world(tmp_path / "world", plan_for(scenes), cost=INTERACTIVE_DEMO)


async def play_in(world: World, scenes: list[Scene]) -> tuple[bool, set[str], list[Progress]]:
    """Play, and say whether all held, which checks did not, and how far the cases came."""
    words = Words("en")
    cases = [Progress(scene=scene) for scene in scenes]
    screen = Screen(console=Console(file=io.StringIO()), words=words, cases=cases)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(
            running_gateway(world.settings, minimum=INTERACTIVE_DEMO)
        )
        stage = Stage(
            world=world, gateway=gateway, amqp_url=None, cost=INTERACTIVE_DEMO, words=words
        )
        outcome = await play(stack, stage, cases, screen)
        return outcome.holds, {one.key for one in outcome.checks if not one.holds}, cases


async def test_play_holds_when_every_desk_has_its_key(world: World, scenes: list[Scene]) -> None:
    """The control: in an untouched world everything holds."""
    holds, broken, _ = await play_in(world, scenes)

    assert (holds, broken) == (True, set())


async def test_play_does_not_hold_when_a_desk_lost_its_key(
    world: World, scenes: list[Scene]
) -> None:
    """A desk that cannot open refuses; the case, the evidence and the inbox all say so."""
    desk = scenes[1].desks[0]
    own = world.holdings[desk].decryption
    assert own is not None
    wrong = DecryptionKey.generate(own.algorithm, own.kid)
    tampered = replace(
        world,
        holdings={**world.holdings, desk: replace(world.holdings[desk], decryption=wrong)},
    )

    holds, broken, cases = await play_in(tampered, scenes)

    assert not holds
    assert {"evidence.delivered", "evidence.desk", "evidence.inboxes"} <= broken
    assert cases[1].failure is not None
    assert f"{desk}: cannot-open" in cases[1].failure


async def test_prove_notices_when_plaintext_lies_in_the_ledger(
    world: World, scenes: list[Scene]
) -> None:
    """One readable word beside the ledger's own files is enough."""
    ledger = ledger_of(world)
    before = ledger.raw()
    word = words_of(scenes[0].document["body"], most=1)[0]
    (world.folder / "ledger.leak").write_bytes(base64url.encode(b"!" + word.encode()).encode())

    assert found_in([word], ledger.raw()) == [word]
    assert not prove_ledger_unreadable(ledger, scenes, before).holds


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_found_in_finds_a_word_in_base64url_at_every_offset(offset: int) -> None:
    """What a word looks like in base64url depends on what stands before it."""
    hidden = base64url.encode(os.urandom(offset) + b"Tapachula" + os.urandom(5)).encode()

    assert found_in(["Tapachula", "Escuintla"], hidden) == ["Tapachula"]


def test_private_folder_is_private_and_stays_when_it_was_named(tmp_path: Path) -> None:
    """The reader's own folder is for the reader, and for nobody else."""
    options = Options(folder=tmp_path / "mine")

    with private_folder(options, Words("en")) as folder:
        (folder / "profile.toml").touch()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["profile.toml"]


def test_private_folder_is_removed_when_nobody_named_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of a demonstration are not left lying about."""
    monkeypatch.chdir(tmp_path)

    with private_folder(Options(), Words("en")) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    assert not folder.exists()


def test_texts_are_the_same_in_both_languages() -> None:
    """No reader gets half of the demonstration in another language."""
    texts = Catalogue.load("demo")

    assert texts.keys("es") == texts.keys("en")


def test_scenes_go_to_other_countries_only(scenes: list[Scene]) -> None:
    """A country needs no exchange to write to itself."""
    for scene in scenes:
        assert all(isinstance(desk, DeskRef) for desk in scene.desks)
        assert scene.sender.country not in {desk.country for desk in scene.desks}
