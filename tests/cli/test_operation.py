"""Countries' results, added up on the command line."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from broker.cli import operation_files
from keys import base64url
from schemas import examples
from schemas.loader import SchemaSet
from schemas.vocabulary import Kind
from tests.cli.conftest import Cli
from tests.regional.results import arrests, message, whole

ROOT = Path(__file__).parents[2]
GT = message("GT", arrests("exactly 9"))
HN = message("HN", arrests("at_least 5*"))


def _write(tmp_path: Path, name: str, *messages: Any) -> Path:
    """Write messages, one on each line."""
    file = tmp_path / name
    file.write_text("".join(json.dumps(each) + "\n" for each in messages))
    return file


def _received(sent: dict[str, Any]) -> dict[str, Any]:
    """Write a line as `enlace subscribe` does; what is not read here is left out."""
    body = json.dumps(sent).encode()
    return {"id": sent["id"], "hand_over": 1, "message": sent, "body": base64url.encode(body)}


def _counts(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [each["count"] for each in body["actions"]]


def test_operation_total_prints_a_table_when_a_person_asks(tmp_path: Path, cli: Cli) -> None:
    """What it comes to, from whom, and how sure, in words."""
    ran = cli("operation", "total", _write(tmp_path, "a", GT), _write(tmp_path, "b", HN))

    words = " ".join(ran.out.split())
    assert ran.code == 0
    assert "Arrest at least 14 (preliminary) GT 9; HN at least 5 (preliminary)" in words
    assert "The result is preliminary." in ran.err


def test_operation_total_speaks_spanish_when_the_reader_does(tmp_path: Path, cli: Cli) -> None:
    """Codes have their labels, and sentences their words, in the reader's language."""
    file = _write(tmp_path, "a", GT, HN)

    ran = cli("operation", "total", file, "--country", "SV", "--lang", "es")

    assert "Captura" in ran.out
    assert "al menos 14 (preliminar)" in ran.out
    assert "Sin resultado de: SV. Eso no es cero." in ran.err


def test_operation_total_gives_a_valid_body_when_a_program_asks(tmp_path: Path, cli: Cli) -> None:
    """One JSON object, and the same in a file."""
    file, output = _write(tmp_path, "a", GT, HN), tmp_path / "regional.json"

    ran = cli("operation", "total", file, "--json", "--output", output)

    assert ran.code == 0
    assert ran.lines == [json.loads(output.read_text())]
    problems = SchemaSet.load().violations(
        whole(ran.lines[0]), kind=Kind.OPERATION_RESULT, version="1.0"
    )
    assert problems == ()


def test_operation_total_overwrites_no_file_when_it_is_there(tmp_path: Path, cli: Cli) -> None:
    """A result that somebody wrote before stays."""
    output = _write(tmp_path, "regional.json", {})

    ran = cli("operation", "total", _write(tmp_path, "a", GT), "--output", output)

    assert ran.code == 2
    assert output.read_text() == "{}\n"


def test_operation_total_reads_an_inbox_when_it_holds_other_things(
    tmp_path: Path, cli: Cli
) -> None:
    """Other kinds, returned messages, repetitions and a torn last line are no hindrance."""
    reply = next(examples.accepted(Kind.REPLY)).message
    returned = {"id": GT["id"], "hand_over": 2, "reason": "content_not_valid", "step": "schema"}
    lines = [_received(each) for each in (GT, reply, HN, GT)]
    inbox = _write(tmp_path, "inbox.jsonl", *lines, returned)
    with inbox.open("a") as opened:
        opened.write('{"id": "torn')

    ran = cli("operation", "total", inbox, "--json")

    assert (ran.code, ran.err.count("\n")) == (0, 1)
    assert _counts(ran.lines[0])[0] == {"qualifier": "at_least", "value": 14, "preliminary": True}


def test_operation_total_trusts_the_signed_bytes_when_a_line_says_more(
    tmp_path: Path, cli: Cli
) -> None:
    """What stands beside the signed bytes may have been changed; it is not read."""
    line = {**_received(GT), "message": message("GT", arrests("exactly 900"))}

    ran = cli("operation", "total", _write(tmp_path, "inbox.jsonl", line), "--json")

    assert _counts(ran.lines[0])[0] == {"qualifier": "exactly", "value": 9}


def test_operation_total_shows_a_stated_total_when_one_is_given(tmp_path: Path, cli: Cli) -> None:
    """The regional body's number stands in a column of its own."""
    stated = message("PA", arrests("more_than 20"), serial=7)
    files = _write(tmp_path, "a", GT, HN), "--stated", _write(tmp_path, "b", stated)

    ran = cli("operation", "total", *files)

    assert "regional body states" in ran.out
    assert "more than 20 (PA/pn)" in ran.out


def test_operation_total_takes_a_stated_total_out_of_an_inbox_when_its_id_is_named(
    tmp_path: Path, cli: Cli
) -> None:
    """A regional result lies in the same inbox as the national ones that it follows."""
    regional = message("HN", arrests("exactly 20"), serial=7, lineage=[GT["id"]])
    inbox = _write(tmp_path, "inbox.jsonl", *(_received(each) for each in (GT, HN, regional)))

    ran = cli("operation", "total", inbox, "--stated", regional["id"])

    assert "at least 14 (preliminary)" in ran.out
    assert "20 (HN/pn)" in ran.out


def _retraction(kind: str, **members: str) -> dict[str, Any]:
    """Write what GT/pn takes back or corrects of its message."""
    sent = next(examples.accepted(kind)).message
    body = {**sent["body"], "of": GT["id"], **members}
    return {**sent, "from": GT["from"], "body": body}


def test_operation_total_leaves_out_a_message_when_it_was_recalled(
    tmp_path: Path, cli: Cli
) -> None:
    """What an agency has taken back is not counted; its country is missing, not gone."""
    messages = [_received(each) for each in (GT, HN, _retraction("recall"))]

    ran = cli("operation", "total", _write(tmp_path, "inbox.jsonl", *messages))

    assert "HN at least 5" in ran.out
    assert "GT 9" not in ran.out
    assert "No result from: GT." in ran.err
    alone = cli("operation", "total", _write(tmp_path, "a", GT, _retraction("recall")))
    assert (alone.code, alone.out) == (6, "")


def test_operation_total_names_a_message_when_it_is_said_to_be_wrong(
    tmp_path: Path, cli: Cli
) -> None:
    """A number that nobody has corrected yet counts, and the reader is told."""
    rectified = _retraction("rectification")
    rectified["body"].pop("replaced_by", None)

    ran = cli("operation", "total", _write(tmp_path, "a", GT, rectified))

    assert f"something in them is wrong: GT/pn {GT['id']}\n" in ran.err


def test_operation_total_says_what_is_not_in_a_number_when_it_is_a_word(
    tmp_path: Path, cli: Cli
) -> None:
    """Hundreds are neither added nor forgotten."""
    file = _write(tmp_path, "a", GT, message("DO", arrests("hundreds")))

    ran = cli("operation", "total", file)

    assert "at least 9; besides: DO hundreds" in ran.out


def test_operation_total_shows_both_claims_when_a_country_contradicts_itself(
    tmp_path: Path, cli: Cli
) -> None:
    """Two numbers of one country stand side by side."""
    file = _write(tmp_path, "a", GT, message("GT", arrests("exactly 7"), serial=2))

    ran = cli("operation", "total", file)

    assert "7-9" in ran.out
    assert "GT 9 | 7" in ran.out


def test_operation_total_warns_when_a_part_must_not_be_passed_on(tmp_path: Path, cli: Cli) -> None:
    """The originator's restriction goes with the number."""
    bound = message("DO", arrests("exactly 1"), handling={"code": "H2"})

    ran = cli("operation", "total", _write(tmp_path, "a", GT, bound))

    assert "needs the permission of: DO/pn (H2, H3)" in ran.err


@pytest.mark.parametrize(
    ("operation", "groups"),
    [
        ({"country_count": {"qualifier": "exactly", "value": 4}}, []),
        ({"regions": ["central_america"]}, []),
        ({}, [{"category": "victim", "countries": ["GT", "HN"]}]),
        ({}, [{"category": "victim", "where": [{"country": "GT"}]}]),
    ],
    ids=[
        "it counts countries",
        "it names a region",
        "its people were in two countries",
        "its people were elsewhere",
    ],
)
def test_operation_total_warns_when_a_national_result_speaks_for_others(
    operation: dict[str, Any], groups: list[dict[str, Any]], tmp_path: Path, cli: Cli
) -> None:
    """A regional number among national ones would be counted twice."""
    body = {**arrests("exactly 1"), **({"groups": groups} if groups else {})}
    wider = message("HN", body, operation=operation)

    ran = cli("operation", "total", _write(tmp_path, "a", GT, wider))

    assert f"--stated: HN/pn {wider['id']}\n" in ran.err
    assert "GT/pn" not in ran.err


def test_operation_total_prints_what_the_document_shows_when_it_is_typed(
    monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    """The command of docs/regional-results.md gives the table that stands beneath it."""
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs" / "regional-results.md").read_text(encoding="utf-8")
    shown = re.search(r"```sh\n(.*?)```\n+```text\n(.*?)```", text, re.DOTALL)
    assert shown is not None
    words = shown[1].replace("\\\n", " ").removeprefix(".venv/bin/enlace ").split()
    arguments = [each for word in words for each in (sorted(ROOT.glob(word)) or [word])]

    ran = cli(*arguments)

    assert ran.code == 0
    assert (ran.out + ran.err).split() == shown[2].split()


QUETZAL_II = message("SV", arrests("exactly 1"), operation={"name": "Quetzal", "edition": "II"})


def test_operation_total_asks_which_operation_when_there_are_several(
    tmp_path: Path, cli: Cli
) -> None:
    """Two operations have no sum, nor have two years of one."""
    file = _write(tmp_path, "a", GT, QUETZAL_II)

    ran = cli("operation", "total", file)

    assert (ran.code, ran.out) == (2, "")
    assert "--operation: Quetzal, Quetzal II" in ran.err
    chosen = cli("operation", "total", file, "--operation", "Quetzal II", "--json")
    assert _counts(chosen.lines[0])[0] == {"qualifier": "exactly", "value": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({**GT, "body": {}}, "/body/actions"),
        ("not a message", "json-syntax"),
        (json.dumps(HN) + "\n" + json.dumps(GT)[:-9], "json-syntax"),
        ({**GT, "urgency": "Juana Pérez"}, "/urgency"),
        ({**_received(GT), "body": "?"}, "kind-unknown"),
        (next(examples.accepted(Kind.REPLY)).message, "not the result of an operation"),
    ],
    ids=[
        "a body that lacks members",
        "no JSON",
        "a torn line outside an inbox",
        "a wrong value",
        "a damaged line of an inbox",
        "another kind",
    ],
)
def test_operation_total_adds_nothing_when_a_message_is_faulty(
    content: object, said: str, tmp_path: Path, cli: Cli
) -> None:
    """A total without the faulty message would be too low; no value of it is repeated."""
    file = tmp_path / "a"
    file.write_text(content if isinstance(content, str) else json.dumps(content))

    ran = cli("operation", "total", file, _write(tmp_path, "b", GT))

    assert ran.code == 6
    assert said in ran.out + ran.err
    assert "Arrest" not in ran.out
    assert "Juana" not in ran.out + ran.err


def test_operation_total_refuses_a_file_when_it_is_too_large(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a file would make half a total."""
    monkeypatch.setattr(operation_files, "MAX_INBOX_BYTES", 99)

    ran = cli("operation", "total", _write(tmp_path, "a", GT))

    assert ran.code == 6
    assert "too-large" in ran.err


def test_operation_total_shows_what_was_not_counted_when_a_case_says_so(
    tmp_path: Path, cli: Cli
) -> None:
    """Property without a number is named with its country; cash keeps its currency apart."""
    cases = {case.case: case.message for case in examples.cases()}

    ran = cli("operation", "total", _write(tmp_path, "a", cases["case-140"]))

    words = " ".join(ran.out.split())
    assert "Chainsaw: found - NI -" in words
    assert "Other: detained (NI) 19 (preliminary) NI 19 (preliminary)" in words
    assert "Cash: found (counted) USD 6400 (preliminary)" in words


def test_operation_total_names_the_line_when_one_of_several_is_faulty(
    tmp_path: Path, cli: Cli
) -> None:
    """In an inbox of thousands, a person finds it."""
    file = _write(tmp_path, "a", GT, {**HN, "body": {}})

    ran = cli("operation", "total", file, "--json")

    assert ran.code == 6
    assert ran.lines[0]["file"] == f"{file}:2"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nope.json"], 3, "nope.json"),
        (["a", "--operation", "Nope"], 6, "no result of this operation"),
        (["a", "--country", "FR"], 2, "--country"),
        ([], 2, "FILE is missing"),
    ],
    ids=["no such file", "no such operation", "no Member Country", "nothing"],
)
def test_operation_total_names_the_fault_when_it_cannot_add(
    arguments: list[str], code: int, said: str, tmp_path: Path, cli: Cli
) -> None:
    """Each fault has its words and its status."""
    _write(tmp_path, "a", GT)

    ran = cli("operation", "total", *arguments)

    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


def test_operation_total_refuses_when_two_messages_have_one_id(tmp_path: Path, cli: Cli) -> None:
    """Which of them was sent, nobody here can tell."""
    changed = message("GT", arrests("exactly 7"))

    ran = cli("operation", "total", _write(tmp_path, "a", GT, changed))

    assert ran.code == 6
    assert "id-reused" in ran.err


def test_operation_total_refuses_when_one_body_cannot_hold_it(tmp_path: Path, cli: Cli) -> None:
    """It says what is too much, and what to do."""
    many = [message("GT", arrests("exactly 1"), serial=n) for n in range(31)]

    ran = cli("operation", "total", _write(tmp_path, "a", *many))

    assert ran.code == 6
    assert "at most 30 sources" in ran.err
