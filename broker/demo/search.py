"""Is a word of a message to be found in these bytes, in any spelling that would show it?"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

WORD: Final = re.compile(r"[^\W\d_]{8,}")
"""Eight letters: long enough not to be found in ciphertext by chance."""


def words_of(document: Any, *, most: int) -> list[str]:  # noqa: ANN401 - any JSON
    """The longest words that a message's texts hold."""
    found = {word for text in _texts(document) for word in WORD.findall(text)}
    return sorted(found, key=lambda word: (-len(word), word))[:most]


def found_in(words: Iterable[str], data: bytes) -> list[str]:
    """Which of these words do the bytes show: as text, JSON-escaped, or in base64url?"""
    return [word for word in words if any(form in data for form in _forms(word))]


def _forms(word: str) -> Iterator[bytes]:
    plain = word.encode()
    yield plain
    if not word.isascii():
        yield json.dumps(word)[1:-1].encode()
    for before in range(3):
        # Only the characters that are wholly the word's: its neighbours share the others.
        encoded = base64.urlsafe_b64encode(b"\0" * before + plain)
        yield encoded[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]


def _texts(document: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        for value in document.values():
            yield from _texts(value)
    elif isinstance(document, list):
        for value in document:
            yield from _texts(value)
