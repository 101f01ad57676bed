"""A server in a process of its own that answers questions about itself on standard output.

Its CPU time is the operating system's, for this process with all its threads; the server asks
for its own because it can do so to the microsecond, where /proc counts hundredths of seconds.
"""

import asyncio
import json
import resource
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

STATUS: Final = Path("/proc/self/status")
Answer = Mapping[str, int]
Command = Callable[[], Awaitable[Answer]]


def cpu_us() -> int:
    """CPU time of this process so far, user and system, in microseconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return round(1e6 * (usage.ru_utime + usage.ru_stime))


def peak_kib() -> int:
    """The most memory that this process ever had resident."""
    # ``ru_maxrss`` of a fresh child can be its parent's; the kernel's high-water mark is ours.
    if STATUS.exists():
        return _status("VmHWM:")
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage // 1024 if sys.platform == "darwin" else usage


def resident_kib() -> int:
    """The memory that this process has resident; the most it had where that is not told."""
    return _status("VmRSS:") if STATUS.exists() else peak_kib()


def _status(name: str) -> int:
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)


async def usage() -> Answer:
    """Answer what this process has used."""
    return {"cpu_us": cpu_us(), "peak_kib": peak_kib(), "resident_kib": resident_kib()}


async def serve(commands: Mapping[str, Command]) -> None:
    """Answer one line of JSON for each command on standard input, until that is closed."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    known = {"usage": usage, **commands}
    say({"ready": 1})
    while line := await reader.readline():
        say(await known[line.decode("ascii").strip()]())


def say(answer: Answer) -> None:
    """Write one answer."""
    sys.stdout.write(f"{json.dumps(dict(answer))}\n")
    sys.stdout.flush()
