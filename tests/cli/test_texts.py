"""Everything that a person reads is there, in both languages."""

import string

import pytest

from broker.cli.language import choose_language, key_of, walk
from broker.cli.main import build
from broker.texts.catalogue import Catalogue
from tests.cli.conftest import Cli

TEXTS = Catalogue.load("cli")
PATHS = [path for path, _ in walk(build("en"))]


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_catalogue_has_every_key_in_every_language() -> None:
    """No reader meets a text of another language because theirs was forgotten."""
    assert TEXTS.languages == ("en", "es")

    assert TEXTS.keys("es") == TEXTS.keys("en")


@pytest.mark.parametrize("key", sorted(TEXTS.keys("en")))
def test_catalogue_names_the_same_values_in_every_language(key: str) -> None:
    """A translation neither drops nor invents a value; usage may leave out English detail."""
    values = {language: _fields(TEXTS.text(key, language)) for language in TEXTS.languages}

    assert values["es"] | ({"said"} if key.startswith("usage.") else set()) >= values["en"]
    assert values["es"] <= values["en"]


def test_catalogue_has_no_help_that_no_command_shows() -> None:
    """A help that was renamed or removed leaves nothing behind."""
    shown = {"command.enlace.epilog"}
    for path, command in walk(build("en")):
        shown.add(f"command.{path}.help")
        shown |= {key_of(path, each.name or "") for each in command.params} | {"option.help"}

    helps = {key for key in TEXTS.keys("en") if key.startswith(("command.", "option."))}

    assert helps == shown


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("path", PATHS)
def test_help_says_everything_in_the_readers_language(path: str, language: str, cli: Cli) -> None:
    """Each page has its purpose and its headings in one language, and succeeds."""
    words = [] if path == "enlace" else path.split(".")

    ran = cli(*words, "--help", "--lang", language)

    assert (ran.code, ran.err) == (0, "")
    text = " ".join(ran.out.split())
    assert TEXTS.text(f"command.{path}.help", language) in text
    assert ran.out.startswith({"en": "Usage: enlace", "es": "Uso: enlace"}[language])
    assert TEXTS.text("help.global", language) in text
    english = ("Show this", "Options", "Arguments", "Commands", "[required]", "Install ")
    assert language == "en" or not any(word in ran.out for word in english)


@pytest.mark.parametrize(
    ("arguments", "environ", "language"),
    [
        ([], {}, "en"),
        ([], {"LANG": "es_MX.UTF-8"}, "es"),
        ([], {"LC_ALL": "C", "LANG": "es_MX.UTF-8"}, "en"),
        ([], {"LC_ALL": "en_US.UTF-8", "ENLACE_LANG": "es"}, "es"),
        (["send", "--lang", "es"], {"ENLACE_LANG": "en"}, "es"),
        (["--lang=es"], {}, "es"),
        (["send", "--", "--lang", "es"], {}, "en"),
        ([], {"LANG": "fr_CA.UTF-8"}, "en"),
    ],
)
def test_choose_language_asks_the_option_then_the_environment(
    arguments: list[str], environ: dict[str, str], language: str
) -> None:
    """`--lang` comes before ENLACE_LANG, and that before what POSIX says."""
    assert choose_language(arguments, environ) == language
