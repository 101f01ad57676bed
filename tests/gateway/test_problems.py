"""What people read of a refusal: complete in every language, and as documented."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from broker.errors import Code, FieldProblem, RefusedError, UnavailableError
from broker.gateway.problems import STATUS, problem_response
from broker.texts.catalogue import Catalogue
from keys import strict_json

DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"
TEXTS = Catalogue.load("problems")
ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (\d{3}) \| (\w+) \| (.*?) \| (.*?) \|$", re.MULTILINE)


def test_status_is_given_for_every_code() -> None:
    """No refusal can end in a status by accident."""
    assert set(STATUS) == set(Code)


@pytest.mark.parametrize("language", TEXTS.languages)
def test_texts_are_complete_in_every_language(language: str) -> None:
    """Each code has a title and what to do; no text belongs to nothing."""
    keys = {key for key in TEXTS.keys(language) if key.startswith("problem.")}

    assert keys == {f"problem.{code}.{part}" for code in Code for part in ("title", "detail")}
    assert TEXTS.keys(language) == TEXTS.keys("en")


def test_document_lists_every_code_with_status_and_texts() -> None:
    """docs/errors.md is what the gateway says."""
    rows = {
        code: (int(status), title, detail)
        for code, status, _, title, detail in ROW.findall(DOCUMENT.read_text(encoding="utf-8"))
    }

    assert rows == {
        code.value: (
            STATUS[code].value,
            TEXTS.text(f"problem.{code}.title", "en"),
            TEXTS.text(f"problem.{code}.detail", "en"),
        )
        for code in Code
    }


def test_problem_names_fields_and_rule_in_the_readers_language() -> None:
    """A denial says where, which check, which rule, and in Spanish when asked."""
    error = RefusedError(
        Code.PROTECTION_DENIED,
        problems=[FieldProblem(pointer="/to/countries/0", code="protection-denied")],
        rule="SG-01",
    )

    response = problem_response(
        error, base_url="https://x.example", request_id="r-1", texts=TEXTS, language="es"
    )

    assert isinstance(response.body, bytes)
    document = strict_json.parse_object(response.body)
    assert response.headers["Content-Language"] == "es"
    assert (document["rule"], document["origin_of_error"]) == ("SG-01", "sender")
    assert document["errors"] == [
        {
            "pointer": "/to/countries/0",
            "code": "protection-denied",
            "detail": TEXTS.text("problem.protection-denied.title", "es"),
        }
    ]


@pytest.mark.parametrize(
    ("wait", "said"), [(timedelta(milliseconds=10), "1"), (timedelta(seconds=4.2), "5")]
)
def test_problem_rounds_the_time_to_wait_up(wait: timedelta, said: str) -> None:
    """Whoever waits as told is not told again."""
    error = UnavailableError(Code.OVERLOADED, retry_after=wait)

    response = problem_response(
        error, base_url="https://x.example", request_id="r-1", texts=TEXTS, language="en"
    )

    assert response.headers["Retry-After"] == said


def test_problem_falls_back_when_a_check_has_no_text_of_its_own() -> None:
    """A keyword that a later schema brings still yields a sentence."""
    error = RefusedError(
        Code.SCHEMA_VIOLATION, problems=[FieldProblem(pointer="/x", code="newKeyword")]
    )

    response = problem_response(
        error, base_url="https://x.example", request_id="r-1", texts=TEXTS, language="en"
    )

    assert isinstance(response.body, bytes)
    assert TEXTS.text("field.invalid", "en") in response.body.decode()
