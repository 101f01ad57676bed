"""``make demo``: see the exchange work, on this machine."""

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

FAILED: Final = 1
INTERRUPTED: Final = 130
"""As a shell reports a program that was ended by Ctrl-C."""
PREFIX: Final = "ENLACE_"


def main(arguments: Sequence[str]) -> int:
    """Run the demonstration; 0 only if everything that it promises was seen to hold."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no check mark shows a question mark.
            stream.reconfigure(errors="replace")
    try:
        # Here, so that a missing library is one line and no traceback.
        from broker.demo import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        print(f"demo: {error.name} is not installed: run `make demo`", file=sys.stderr)  # noqa: T201
        return FAILED
    environ = dict(os.environ)
    for name in environ:
        # The settings of a real gateway must not reach this one.
        if name.startswith(PREFIX):
            del os.environ[name]
    try:
        return asyncio.run(run.run(options, environ))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m broker.demo",
        description="See the exchange work, on this machine. "
        "Ver el intercambio en marcha, en esta máquina.",
    )
    parser.add_argument("--stay", action="store_true", help="keep it up until Ctrl-C")
    parser.add_argument("--folder", type=Path, help="a new folder; it is kept")
    parser.add_argument("--lang", choices=("en", "es"), help="default: ENLACE_LANG, else LANG")
    parser.add_argument(
        "--transport",
        choices=("auto", "rabbitmq", "local"),
        default="auto",
        help="auto: ENLACE_AMQP_URL, else an installed rabbitmq-server, else local",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
