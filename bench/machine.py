"""On what was it measured?"""

import importlib.metadata
import os
import platform
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped] # it ships no types

LIBRARIES: Final = (
    "aiohttp",
    "uvloop",
    "cryptography",
    "pynacl",
    "orjson",
    "jsonschema-rs",
    "sqlalchemy",
    "asyncpg",
    "aio-pika",
    "aiormq",
)


def describe(folder: Path) -> dict[str, str]:
    """Say what this machine is; nothing of who owns it."""
    return {
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "disk": f"{_file_system(folder)}, where the ledger lies",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "TLS": ssl.OPENSSL_VERSION,
        "libraries": ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
    }


def write(facts: Mapping[str, str]) -> str:
    """Write facts as lines."""
    return "\n".join(f"{name + ':':12} {value}" for name, value in facts.items())


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model"):
                return value.strip()
    return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    # The mount point with the longest path above the folder is the one that holds it.
    parents = {str(parent) for parent in (folder, *folder.resolve().parents)}
    mounts = [one for one in psutil.disk_partitions(all=True) if one.mountpoint in parents]
    return max(mounts, key=lambda one: len(one.mountpoint)).fstype if mounts else "unknown"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
