"""A PKCS#11 token for tests: SoftHSM2, in a folder of its own."""

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from keys.secret import Passphrase
from tests.services.rabbitmq import give_up

MODULES: Final = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/softhsm/libsofthsm2.so"),
    Path("/usr/local/lib/softhsm/libsofthsm2.so"),
    Path("/opt/homebrew/lib/softhsm/libsofthsm2.so"),
)
PIN: Final = "739105"
CONFIGURATION: Final = """\
directories.tokendir = {folder}
objectstore.backend = file
log.level = ERROR
"""


@dataclass(frozen=True, kw_only=True)
class SoftToken:
    """A token of tests."""

    uri: str
    """Without a file for seeds."""
    pin: Passphrase


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftToken]:
    """Make a token; the library reads its configuration once, so there is one for all tests."""
    if importlib.util.find_spec("pkcs11") is None:
        give_up("no python-pkcs11: install the extra pkcs11")
    module = next((each for each in MODULES if each.exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        give_up("no SoftHSM2: install softhsm2")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(CONFIGURATION.format(folder=folder / "tokens"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        for label in ("enlace", "spare"):
            make = ["softhsm2-util", "--init-token", "--free", "--label", label]
            subprocess.run(
                [*make, "--pin", PIN, "--so-pin", "00" + PIN], check=True, capture_output=True
            )
        yield SoftToken(
            uri=f"pkcs11:token=enlace?module-path={module}", pin=Passphrase.from_text(PIN)
        )
