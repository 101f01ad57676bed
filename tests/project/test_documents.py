"""Do the documents say what is so?"""

import hashlib
import re
from pathlib import Path

import pytest

from broker import model
from broker.errors import Code
from schemas.vocabulary import AgencyFunction, Compartment, HandlingCode, Kind, Urgency

APACHE_2 = "283ea6cc2997a1a70da0049e09adf9317bb60ca1b51279b65196b83a69e1996b"
"""SHA-256 of the licence's text, white space at both ends cut off."""
SECTIONS = ("Context", "Decision", "Rejected", "Consequences")
EVENT = re.compile(
    r"\blog\.(?:debug|info|warning|error|exception|critical)\(\s*\"([a-z-]+:[a-z-]+)\""
)
BY_ANYONE = {Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED, Code.INTERNAL_ERROR}
NOT_ON_THE_WAY = {
    Code.UNSEAL_FAILED,
    Code.EVIDENCE_INVALID,
    Code.KEY_STATEMENT_INVALID,
    Code.CONFIGURATION_INVALID,
}
"""What operators and desks see on their own machines; no request is refused with it."""


def read(path: Path) -> str:
    """The text of a file."""
    return path.read_text(encoding="utf-8")


def documents(root: Path) -> list[Path]:
    """Every document that people read."""
    return [
        *root.glob("*.md"),
        *(root / "docs").rglob("*.md"),
        *(root / "deploy").glob("*.md"),
        *(root / "schemas").glob("*.md"),
    ]


def test_licence_is_apache_2_when_read(root: Path) -> None:
    """The licence is the text that everybody knows, unchanged."""
    text = read(root / "LICENSE").strip()

    assert hashlib.sha256(text.encode()).hexdigest() == APACHE_2


def test_decision_has_its_sections_when_it_is_taken(root: Path) -> None:
    """Each decision says why, what, what instead of, and at which price."""
    pages = sorted((root / "docs" / "adr").glob("[0-9]*.md"))

    assert [page.name[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for page in pages:
        text = read(page)
        assert text.startswith(f"# {page.name[:4]} "), page.name
        assert re.search(r"^Status: (accepted|replaced by \d{4})$", text, re.MULTILINE), page.name
        found = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert tuple(found) == SECTIONS, page.name


def test_decisions_are_listed_when_there_is_one(root: Path) -> None:
    """The index names every page, by its title."""
    folder = root / "docs" / "adr"
    index = read(folder / "README.md")

    for page in folder.glob("[0-9]*.md"):
        title = read(page).splitlines()[0].removeprefix(f"# {page.name[:4]} ")
        assert f"[{page.name[:4]}]({page.name}) | {title} |" in index


def test_links_lead_somewhere_when_they_are_followed(root: Path) -> None:
    """No relative link in a document is broken."""
    broken = [
        f"{document.relative_to(root)}: {target}"
        for document in documents(root)
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", read(document))
        if not (document.parent / target).exists()
    ]

    assert broken == []


def test_glossary_names_every_type_when_a_message_meets_it(root: Path) -> None:
    """Whoever reads a type in the code finds it among the words."""
    rooms = sorted(Path(str(model.__file__)).parent.glob("*.py"))
    source = "\n".join(read(room) for room in rooms)
    types = re.findall(r"^class ([A-Z]\w+)|^([A-Z]\w+) = NewType", source, re.MULTILINE)
    glossary = read(root / "docs" / "glossary.md")

    missing = [name for pair in types for name in pair if name and f"`{name}`" not in glossary]

    assert missing == []


def test_glossary_names_the_field_when_code_decides_by_it(root: Path) -> None:
    """The closed vocabularies are words of the field, and explained."""
    glossary = read(root / "docs" / "glossary.md").lower()
    words = [*Compartment, *HandlingCode, *Urgency]

    assert [word for word in words if word.value.lower() not in glossary] == []
    kinds = [
        kind.value.replace("-", " ") for kind in Kind if kind is not Kind.DETENTION_ALTERNATIVE
    ]
    assert [kind for kind in kinds if kind not in glossary] == []
    assert len(AgencyFunction) == 7


def test_life_of_a_message_names_every_refusal_when_there_is_one(root: Path) -> None:
    """Each code belongs to a stage of the map."""
    text = read(root / "docs" / "life-of-a-message.md")
    expected = set(Code) - BY_ANYONE - NOT_ON_THE_WAY

    assert [code.value for code in sorted(expected) if f"`{code.value}`" not in text] == []


def test_life_of_a_message_names_every_event_when_it_is_logged(root: Path) -> None:
    """Operators can look up each event, and no event is listed that is never logged."""
    text = read(root / "docs" / "life-of-a-message.md")
    logged = {
        event for module in (root / "broker").rglob("*.py") for event in EVENT.findall(read(module))
    }

    table = text.split("## What is logged")[1]

    assert set(re.findall(r"`([a-z-]+:[a-z-]+)`", table)) == logged


def test_life_of_a_message_names_modules_that_exist_when_it_maps_them(root: Path) -> None:
    """The map leads to files."""
    text = read(root / "docs" / "life-of-a-message.md")
    named = []
    for path in re.findall(r"`([a-z_]+(?:/[a-z_{},]+)*(?:\.py|/))`", text):
        prefix, brace, rest = path.partition("{")
        names = rest.partition("}")[0].split(",") if brace else [""]
        named += [prefix + name + rest.partition("}")[2] for name in names]

    missing = [
        path for path in named if not ((root / "broker" / path).exists() or (root / path).exists())
    ]

    assert len(named) > 15
    assert missing == []


def test_threat_model_names_tests_that_exist_when_it_answers(root: Path) -> None:
    """An attack is not called answered by a test that was renamed or never written."""
    text = read(root / "docs" / "threat-model.md")
    named = set(re.findall(r"`(test_\w+)`", text))
    written = {
        name
        for module in (root / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*(?:async )?def (test_\w+)", read(module), re.MULTILINE)
    }

    assert sorted(named - written) == []


def test_threat_model_answers_every_attack_when_counted(root: Path) -> None:
    """All thirty-six attacks have an answer, in order."""
    text = read(root / "docs" / "threat-model.md")
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)

    assert [int(row[0]) for row in rows] == list(range(1, 37))


def test_changelog_has_an_entry_when_something_is_unreleased(root: Path) -> None:
    """What users can do now stands under *Unreleased*."""
    text = read(root / "CHANGELOG.md")

    assert re.search(r"^## \[Unreleased\]\n\n### Added\n\n- ", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["README.md", "SECURITY.md"])
def test_front_page_speaks_spanish_when_a_reader_does(root: Path, name: str) -> None:
    """What a newcomer reads first is there in Spanish, too."""
    text = read(root / name)

    assert re.search(r"^## (En español|Informar)", text, re.MULTILINE)
