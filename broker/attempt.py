"""What one failure must not end: the work that goes on behind all requests.

This is the outermost edge of a background task, as the middleware is of a request. A defect,
a row that nobody can read, a queue that needs an operator: each is reported, and the next
round is tried. A gateway that ended itself over it would come back and end itself again.
"""

from collections.abc import Awaitable, Callable

import structlog

from broker.errors import BrokerError, UnavailableError

log = structlog.get_logger()


async def attempt(work: str, step: Callable[[], Awaitable[object]]) -> bool:
    """Do one step; say whether it succeeded. Only cancellation comes through.

    Args:
        work: What it is, for the operator's log.
        step: Done once. Its failure is logged by kind and never by value.
    """
    try:
        await step()
    except UnavailableError as error:
        log.warning("work:waiting", work=work, code=error.code.value)
    except BrokerError as error:
        log.error("work:failed", work=work, code=error.code.value)  # noqa: TRY400 - no values
    except Exception as error:  # noqa: BLE001 - the outermost edge, see above
        log.error("work:failed", work=work, error=type(error).__name__)  # noqa: TRY400 - nor its text
    else:
        return True
    return False
