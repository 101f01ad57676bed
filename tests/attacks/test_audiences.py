"""An assertion that was signed for somebody else's server, shown to ours."""

import pytest

from tests.attacks.attacker import DROP, Arena
from tests.flow.conftest import FISCALIA

pytestmark = pytest.mark.asyncio(loop_scope="module")

INVALID = (401, "invalid_client")


def audiences(issuer: str) -> dict[str, object]:
    """Everything that is not our issuer as a text, alone."""
    return {
        "another issuer": "https://evil.example",
        "ours in a list": [issuer],
        "ours and another": [issuer, "https://evil.example"],
        "another and ours": ["https://evil.example", issuer],
        "the token endpoint": f"{issuer}/oauth/token",
        "ours with a slash": f"{issuer}/",
        "ours in upper case": issuer.upper(),
        "ours with a space": f"{issuer} ",
        "ours with a newline": f"{issuer}\n",
        "ours as prefix": f"{issuer}.evil.example",
        "ours as user": f"{issuer}@evil.example",
        "ours without TLS": issuer.replace("https", "http"),
        "two in one text": f"{issuer} https://evil.example",
        "an object": {issuer: True},
        "true": True,
        "null": None,
        "empty": "",
        "an empty list": [],
        "none": DROP,
    }


@pytest.mark.parametrize("name", audiences("https://localhost:1"))
async def test_token_is_refused_when_the_audience_is_not_our_issuer_alone(
    small: Arena, name: str
) -> None:
    """A malicious server cannot have a client sign what opens our door."""
    attacker = small.attacker(FISCALIA)
    audience = audiences(small.world.settings.base_url)[name]

    answer = await attacker.ask_for_token(assertion=attacker.assertion(aud=audience))

    assert answer.verdict == INVALID
    assert set(answer.json) == {"error", "error_description"}


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "gt-pgn"},
        {"sub": "gt-pgn"},
        {"iss": "gt-pgn", "sub": "gt-pgn"},
        {"iss": "MX-FGR", "sub": "MX-FGR"},
        {"iss": "mx-fgr\n", "sub": "mx-fgr\n"},
        {"iss": "mx-fgr ", "sub": "mx-fgr "},
        {"iss": ["mx-fgr"], "sub": ["mx-fgr"]},
        {"iss": "mx-inm", "sub": "mx-inm"},
        {"iss": DROP},
        {"sub": DROP},
        {"jti": DROP},
        {"exp": DROP},
        {"exp": 10**15},
        {"exp": "never"},
        {"iat": 10**15},
    ],
    ids=str,
)
async def test_token_is_refused_when_a_claim_of_the_assertion_is_wrong(
    small: Arena, claims: dict[str, object]
) -> None:
    """A good key of one client, speaking as another, or without an end."""
    attacker = small.attacker(FISCALIA)

    answer = await attacker.ask_for_token(assertion=attacker.assertion(**claims))

    assert answer.verdict == INVALID


async def test_token_is_refused_alike_when_the_client_is_unknown_or_foreign(small: Arena) -> None:
    """The answer does not tell who is registered."""
    attacker = small.attacker(FISCALIA)
    answers = [
        await attacker.ask_for_token(assertion=attacker.assertion(iss=name, sub=name))
        for name in ("gt-pgn", "nobody-knows-me")
    ]

    assert answers[0].verdict == INVALID
    assert answers[0].json == answers[1].json
    assert set(answers[0].headers) == set(answers[1].headers)
