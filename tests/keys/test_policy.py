"""Is the policy what the specification asks for, and is a wrong one refused?"""

import tomllib
from datetime import timedelta
from importlib import resources

import pytest

from keys.errors import PolicyError
from keys.key import KeyUse
from keys.policy import STANDARD_KEY_POLICY, KeyPolicy
from keys.strict_json import JsonObject

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STANDARD = tomllib.loads(resources.files("keys").joinpath("policy.toml").read_text("utf-8"))
"""The policy that is shipped, as a document to change and decide on."""


def test_standard_policy_asks_for_what_the_specification_says() -> None:
    """A day to announce, to cancel and to ratify; warnings at 30, 14 and 3 days."""
    policy = STANDARD_KEY_POLICY

    assert (policy.time_lock, policy.ratify_within) == (24 * HOUR, 24 * HOUR)
    assert policy.replacement_lock < policy.time_lock
    assert policy.warn_before == (30 * DAY, 14 * DAY, 3 * DAY)
    assert policy.warn_at_percent == 66
    assert policy.uses[KeyUse.DESK_ENCRYPTION].announce == 24 * HOUR


def test_standard_policy_knows_every_use_but_the_roots() -> None:
    """No key is without a policy; sealing is post-quantum, and RSA is for clients alone."""
    uses = STANDARD_KEY_POLICY.uses

    assert uses.keys() == set(KeyUse) - {KeyUse.ROOT_SIGNATURE}
    assert uses[KeyUse.DESK_ENCRYPTION].algorithms == {"HPKE-9-KE", "HPKE-10-KE"}
    assert {use for use, one in uses.items() if "PS256" in one.algorithms} == {
        KeyUse.CLIENT_AUTHENTICATION
    }


def test_from_json_changes_what_it_says_and_leaves_the_rest() -> None:
    """A policy is a difference from the standard one."""
    policy = KeyPolicy.from_json(
        {"decisions": {"time_lock": "2d"}, "uses": {"desk_encryption": {"grace": "90s"}}}
    )

    assert policy.time_lock == 2 * DAY
    assert policy.replacement_lock == STANDARD_KEY_POLICY.replacement_lock
    assert policy.uses[KeyUse.DESK_ENCRYPTION].grace == timedelta(seconds=90)
    assert policy.uses[KeyUse.DESK_SIGNATURE] == STANDARD_KEY_POLICY.uses[KeyUse.DESK_SIGNATURE]
    assert KeyPolicy.from_json(STANDARD) == STANDARD_KEY_POLICY


WRONG: dict[str, JsonObject] = {
    "a part that no policy has": {"color": {}},
    "a member that no policy has": {"decisions": {"time_lok": "24h"}},
    "a use that no key has": {"uses": {"everything": {}}},
    "the roots' use": {"uses": {"root_signature": {"life": "1d"}}},
    "a part no table": {"decisions": "24h"},
    "a use no table": {"uses": {"desk_encryption": []}},
    "a span without a unit": {"decisions": {"time_lock": "24"}},
    "a span of months": {"decisions": {"time_lock": "1mo"}},
    "a span below zero": {"decisions": {"time_lock": "-1h"}},
    "a span a number": {"decisions": {"time_lock": 24}},
    "a span in other digits": {"decisions": {"time_lock": "٢٤h"}},
    "a warning of thousands of years": {"warnings": {"before": ["999999d"]}},
    "a life of thousands of years": {"uses": {"desk_encryption": {"life": "36526d"}}},
    "warnings no list": {"warnings": {"before": "30d"}},
    "a percentage of a hundred": {"warnings": {"life_percent": 100}},
    "a percentage true": {"warnings": {"life_percent": True}},
    "algorithms no list": {"uses": {"desk_encryption": {"algorithms": "HPKE-9-KE"}}},
}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG.keys())
def test_from_json_refuses_what_nobody_can_read(value: JsonObject) -> None:
    """A misspelt policy does not leave the standard one in force unseen."""
    with pytest.raises(PolicyError):
        KeyPolicy.from_json(value)
