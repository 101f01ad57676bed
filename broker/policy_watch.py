"""Who hears of it when no rules are in force? The operator, once, and loudly."""

import structlog

from broker.admission.decided import policy_in_force
from broker.directory import Directory

log = structlog.get_logger()


class PolicyWatch:
    """Tells when another policy comes into force, and when it is one that denies everything."""

    def __init__(self) -> None:
        self._version: int | None = None

    def __call__(self, directory: Directory) -> None:
        """Look at a new directory."""
        policy = policy_in_force(directory)
        if policy.version == self._version:
            return
        self._version = policy.version
        if policy.denies_all:
            # The decision is empty, unreadable, or its version does not rise.
            log.error("policy:denies-all")
        else:
            log.info("policy:in-force", version=policy.version)
