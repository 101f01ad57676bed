"""`enlace channels`: a country's own client finds its channels in the signed documents alone."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from keys import act
from keys.act import ActTerms
from keys.act_kind import ActKind
from keys.holder import Holder
from keys.key import KeyUse
from schemas.vocabulary import Country
from tests.cli.conftest import Cli
from tests.desk import world
from tests.desk.world import NOW
from tests.fakes.gateway import FakeGateway
from tests.keys.assembly import DAY, GT, MX, NAME, charter_of

AGO = NOW - 20 * DAY


def _administrators() -> tuple[str, ...]:
    """State Mexico's administrators, as Guatemala's are stated already."""
    return tuple(
        world.statement(
            Holder.administrator(MX, name),
            KeyUse.ADMINISTRATION,
            world.signing_key(f"MX-admin-{name}").public,
        )
        for name in ("ana", "luis")
    )


def _signed(country: Country, name: str, kind: ActKind, **what: object) -> str:
    by = Holder.administrator(country, name)
    terms = ActTerms(kind=kind, by=by, at=AGO, **what)  # type: ignore[arg-type]
    return act.sign(terms, world.signing_key(f"{country}-admin-{name}"))


def _proposal() -> str:
    members = {MX: ("fiscalia",), GT: ("mp",)}
    charter = charter_of(MX, GT, now=NOW, members=members, review=NOW + timedelta(days=300))
    return _signed(MX, "ana", ActKind.CHARTER, charter=charter.to_json())


def _proposed() -> tuple[str, ...]:
    return (_proposal(),)


def _active() -> tuple[str, ...]:
    consents = [
        _signed(country, "luis", ActKind.CONSENT, of=act.act_id(_proposal()))
        for country in (MX, GT)
    ]
    return (_proposal(), *consents)


def _suspended() -> tuple[str, ...]:
    return (*_active(), _signed_later(ActKind.SUSPEND_CHANNEL))


def _left() -> tuple[str, ...]:
    return (*_active(), _signed_later(ActKind.LEAVE_CHANNEL))


def _signed_later(kind: ActKind) -> str:
    by = Holder.administrator(GT, "ana")
    terms = ActTerms(kind=kind, by=by, at=NOW - DAY, channel=NAME)
    return act.sign(terms, world.signing_key("GT-admin-ana"))


def _let(gateway: FakeGateway, acts: tuple[str, ...]) -> None:
    statements = (*world.standard_statements(), *_administrators(), *acts)
    gateway.record = world.record(*statements)


STATES: dict[str, tuple[Callable[[], tuple[str, ...]], tuple[str, list[str], bool]]] = {
    "proposed": (_proposed, ("proposed", [], False)),
    "active": (_active, ("active", ["GT", "MX"], True)),
    "suspended": (_suspended, ("suspended", ["GT", "MX"], False)),
    "left by the other": (_left, ("suspended", ["MX"], False)),
}


@pytest.mark.parametrize(("acts", "expected"), STATES.values(), ids=STATES.keys())
def test_channels_shows_an_agency_where_it_may_send(
    as_agency: FakeGateway,
    cli: Cli,
    acts: Callable[[], tuple[str, ...]],
    expected: tuple[str, list[str], bool],
) -> None:
    """The gateway's own list is not believed; this fake sends none."""
    _let(as_agency, acts())

    ran = cli("channels", "--json")

    assert ran.code == 0, ran.err
    (row,) = ran.lines
    assert row["channel"] == NAME
    assert (row["state"], row["countries"], row["may_send"]) == expected
    assert (row["ceiling"], row["kinds"]) == ("H2", ["recall", "route-report"])


def test_channels_shows_a_desk_what_it_receives(as_desk: FakeGateway, cli: Cli) -> None:
    """A desk sends nothing; a country that left still sees what it was in."""
    _let(as_desk, _left())

    (row,) = cli("channels", "--json").lines

    assert (row["countries"], row["may_send"]) == (["MX"], False)


@pytest.mark.usefixtures("as_desk")
def test_channels_is_empty_when_there_is_none(cli: Cli) -> None:
    """No line, and no error."""
    ran = cli("channels", "--json")

    assert (ran.code, ran.lines) == (0, [])


def test_channels_has_a_table_for_people(as_agency: FakeGateway, cli: Cli) -> None:
    """In Spanish as well."""
    _let(as_agency, _active())

    ran = cli("channels", "--lang", "es")

    assert ran.code == 0, ran.err
    assert "puede enviar" in ran.out
    assert "GT, MX" in ran.out
