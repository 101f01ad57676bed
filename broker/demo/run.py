"""From the command line to an exit status; every failure is one plain sentence."""

import argparse
from collections.abc import Mapping

from broker.demo.stage import Options, perform
from broker.demo.transport import Choice
from broker.demo.words import Words
from broker.desk.failures import DeskError
from broker.errors import BrokerError
from keys.errors import KeysError

GOOD, FAILED = 0, 1


async def run(asked: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the demonstration as the command line asks for it."""
    words = Words.choose(asked.lang, environ)
    options = Options(stay=asked.stay, folder=asked.folder, transport=Choice(asked.transport))
    try:
        return GOOD if await perform(options, words, environ) else FAILED
    except (BrokerError, DeskError, KeysError, OSError) as error:
        notes = getattr(error, "__notes__", [])
        words.say("failed", reason=" ".join([str(error), *notes]))
        return FAILED
