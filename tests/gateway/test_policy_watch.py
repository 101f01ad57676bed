"""An operator hears when the rules change, and hears it once."""

from structlog.testing import capture_logs

from broker.admission.policy import STANDARD_POLICY
from broker.policy_watch import PolicyWatch
from tests.admission.region import Region


def test_watch_tells_each_change_once() -> None:
    """The standard policy, then an empty one that denies everything, then the next."""
    watch, empty = PolicyWatch(), {}
    next_one = {**STANDARD_POLICY.to_json(), "version": 2}

    with capture_logs() as logs:
        for decided in ((), (), (empty,), (empty,), (empty, next_one)):
            watch(Region(decided=decided))

    assert [(each["event"], each["log_level"]) for each in logs] == [
        ("policy:in-force", "info"),
        ("policy:denies-all", "error"),
        ("policy:in-force", "info"),
    ]
