"""Does an act do anything a second time?"""

from dataclasses import replace

import pytest

from keys import decide
from keys.act import Act
from keys.decisions import Decisions
from keys.errors import ActError
from tests.keys.assembly import DAY, GT, HN, MX, Life
from tests.keys.channel.attempts import LEAVE


def test_decide_does_nothing_twice_when_one_word_is_signed_in_two_ways(life: Life) -> None:
    """An insider writes an ES256 signature otherwise, to put out who came back since."""
    life.begin(MX, GT, HN)
    left = life.do("GT ana", LEAVE)
    life.wait(DAY)
    life.consent(life.propose("MX ana", MX, GT, HN, version=2), "MX luis", "GT luis", "HN luis")
    life.wait()
    before = life.decisions
    again = replace(next(one.act for one in before.by_id.values() if one.act.token == left))

    assert judged_again(before, replace(again, token=f"{again.token}A"), life) == (
        "the act stands there already, under another signature"
    )
    assert life.members == "GT HN MX"


def test_decide_takes_no_act_twice_when_it_is_replayed(life: Life) -> None:
    """The same bytes say nothing new, and stop nothing that waits since."""
    life.begin(MX, GT, HN)
    left = life.do("GT ana", LEAVE)
    life.wait(DAY)
    life.consent(life.propose("MX ana", MX, GT, HN, version=2), "MX luis", "GT luis", "HN luis")
    life.tokens.append(left)
    life.wait()

    assert (life.members, life.refused) == ("GT HN MX", [])


def judged_again(before: Decisions, one: Act, life: Life) -> str:
    """Judge an act whose signature nobody can make here; say why it is refused."""
    with pytest.raises(ActError) as refused:
        decide._judge(before, one, life.assembly.statements, life.clock)
    return str(refused.value)
