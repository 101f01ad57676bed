"""Where do the program's own logs go? To standard error: readable there, JSON elsewhere."""

import sys

from broker.cli.terminal import Terminal


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
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
