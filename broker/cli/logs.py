"""Where do the program's own logs go? To standard error: readable there, JSON elsewhere."""

import sys
import traceback
from collections.abc import MutableMapping
from pathlib import PurePath
from typing import Any, Final

from broker.cli.terminal import Terminal

FRAMES: Final = 8
"""The innermost ones: enough to find the place."""


def configure(terminal: Terminal, *, level: str = "warning") -> None:
    """Send structlog's events to standard error, from this level on."""
    import structlog  # noqa: PLC0415 - a third of a second, for commands that log

    renderer = (
        structlog.dev.ConsoleRenderer(colors=not terminal.no_color)
        if sys.stderr.isatty() and not terminal.json
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            where_it_failed,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def where_it_failed(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Say which error it was and where; never its text, and never what the variables held.

    A frame of this program may hold a token, or the name of a witness.
    """
    found = event.pop("exc_info", None)
    error = sys.exc_info()[1] if found is True else found
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
        event["error"] = type(error).__name__
        event["where"] = [f"{PurePath(f.filename).name}:{f.lineno} {f.name}" for f in frames]
    return event
