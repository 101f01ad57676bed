"""Offline validation says what the gateway would say."""

import io
import json
import sys
from pathlib import Path

import pytest

from schemas import examples
from schemas.vocabulary import Kind
from tests.cli.conftest import Cli
from tests.schemas.refusals import refused


def _write(tmp_path: Path, content: object) -> Path:
    file = tmp_path / "message.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


@pytest.mark.parametrize("kind", list(Kind))
def test_validate_accepts_an_accepted_example(kind: Kind, tmp_path: Path, cli: Cli) -> None:
    """What the schemas publish as right is right here."""
    example = next(examples.accepted(kind))

    ran = cli("validate", "--json", _write(tmp_path, example.message))

    assert ran.code == 0
    assert ran.lines == [{"file": str(tmp_path / "message.json"), "valid": True, "errors": []}]


@pytest.mark.parametrize("kind", list(Kind))
def test_validate_names_every_fault_of_a_refused_example(
    kind: Kind, tmp_path: Path, cli: Cli
) -> None:
    """Each violation has its place and its rule, as in a problem document."""
    example = next(refused(kind))

    ran = cli("validate", "--json", _write(tmp_path, example.message))

    assert ran.code == 6
    assert ran.lines[0]["errors"] == [
        {"pointer": each.pointer, "code": each.keyword} for each in example.violations
    ]


@pytest.mark.parametrize(
    ("content", "pointer", "code"),
    [
        ("{", "", "json-syntax"),
        ('{"id": 1, "id": 2}', "/id", "json-duplicate-key"),
        ('{"kind": "gossip"}', "/kind", "kind-unknown"),
        ('{"kind": "reply", "version": "9.9"}', "/version", "version-unknown"),
    ],
)
def test_validate_refuses_what_is_no_message(
    content: str, pointer: str, code: str, tmp_path: Path, cli: Cli
) -> None:
    """JSON is held to the strict rules before any schema is asked."""
    ran = cli("validate", "--json", _write(tmp_path, content))

    assert ran.code == 6
    assert ran.lines[0]["errors"][0] == {"pointer": pointer, "code": code}


def test_validate_goes_on_after_a_missing_file(tmp_path: Path, cli: Cli) -> None:
    """One bad file does not hide what is said of the next."""
    good = _write(tmp_path, next(examples.accepted(Kind.REPLY)).message)

    ran = cli("validate", "nope.json", good)

    assert ran.code == 3
    assert f"{good}: valid" in ran.err


def test_validate_shows_no_value_of_the_document(tmp_path: Path, cli: Cli) -> None:
    """A faulty message may hold a name; its faults do not repeat it."""
    message = {**next(examples.accepted(Kind.REPLY)).message, "urgency": "Juana Pérez"}

    ran = cli("validate", _write(tmp_path, message))

    assert ran.code == 6
    assert "/urgency" in ran.out
    assert "Juana" not in ran.out + ran.err


def test_validate_reads_standard_input(monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    """``-`` is standard input."""
    message = json.dumps(next(examples.accepted(Kind.REPLY)).message).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(message)))

    assert cli("validate", "-", "--quiet").code == 0


def test_schemas_show_prints_the_published_bytes(cli: Cli) -> None:
    """A schema comes out as it went in."""
    ran = cli("schemas", "show", "route-report")

    assert json.loads(ran.out)["$id"].endswith("route-report/1.0")


def test_code_lists_show_labels_in_the_readers_language(cli: Cli) -> None:
    """The same code, in words of one's own."""
    spanish = cli("code-lists", "show", "season", "--lang", "es", "--json").lines
    english = cli("code-lists", "show", "season", "--lang", "en", "--json").lines

    assert [each["code"] for each in spanish] == [each["code"] for each in english]
    assert spanish[0]["label"] == spanish[0]["labels"]["es"] != english[0]["label"]


def test_lists_have_stable_members(cli: Cli) -> None:
    """A program can rely on the names."""
    assert cli("schemas", "list", "--json").lines[0].keys() == {"schema", "version", "path"}
    lists = cli("code-lists", "list", "--json").lines
    assert lists[0].keys() == {"name", "version", "codes", "title", "source"}
    assert cli("code-lists", "show", "nope").code == 3
