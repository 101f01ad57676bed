"""National results for tests: whole messages, as short as a test can say them."""

from typing import Any

from broker.regional.body import Words, write_body
from broker.regional.claims import Claim
from broker.regional.national import NationalResult
from broker.regional.total import RegionalTotal, add_up
from schemas.examples import cases
from schemas.vocabulary import Country, Kind

FIRST, SECOND, THIRD = (f"01a07d01-8230-7426-9c78-{serial:012x}" for serial in (1, 2, 3))
BASE = next(case.message for case in cases() if case.message["kind"] == Kind.OPERATION_RESULT)


def number(text: str) -> dict[str, Any]:
    """Read ``exactly 5``, ``between 3 5``, ``hundreds``; a ``*`` behind it is preliminary."""
    said, star, _ = text.partition("*")
    qualifier, *values = said.split()
    names = ("minimum", "maximum") if qualifier == "between" else ("value",)
    quantity: dict[str, Any] = {"qualifier": qualifier}
    quantity |= {name: int(value) for name, value in zip(names, values, strict=False)}
    return {**quantity, **({"preliminary": True} if star else {})}


def money(text: str, currency: str = "USD", basis: str = "counted") -> dict[str, Any]:
    """Read ``exactly 5.50`` as money."""
    qualifier, *values = text.split()
    names = ("minimum", "maximum") if qualifier == "between" else ("amount",)
    return {
        "qualifier": qualifier,
        "currency": currency,
        "basis": basis,
        **dict(zip(names, values, strict=False)),
    }


def message(
    country: str,
    body: dict[str, Any],
    *,
    serial: int = 1,
    agency: str = "pn",
    preliminary: bool = False,
    operation: dict[str, Any] | None = None,
    **members: Any,
) -> dict[str, Any]:
    """Write a message of a country; a later one has a higher serial number."""
    return {
        **BASE,
        "id": f"01a07d01-8230-7426-9c78-{serial:012x}",
        "from": {"country": country, "agency": agency},
        "to": {"countries": ["US"], "compartment": "intelligence"},
        "created": f"2026-09-07T17:{serial % 60:02d}:00Z",
        "body": {
            "operation": {"name": "Quetzal", "preliminary": preliminary, **(operation or {})},
            "actions": [{"code": "border_control_reinforced"}],
            **body,
        },
        **members,
    }


def arrests(said: str | None) -> dict[str, Any]:
    """Write a body that tells of arrests, and nothing else."""
    return {"actions": [{"code": "arrest", **({"count": number(said)} if said else {})}]}


def result(country: str, body: dict[str, Any], **members: Any) -> NationalResult:
    """Write and read a message."""
    return NationalResult.from_document(message(country, body, **members))


def spoken(claim: Claim) -> str:
    """Say a number as :func:`number` reads it."""
    names = ("qualifier", "value", "amount", "minimum", "maximum")
    said = " ".join(str(claim.said[name]) for name in names if name in claim.said)
    return said + ("*" if claim.preliminary else "")


WORDS = Words(
    spoken=spoken,
    missing="Missing: {countries}",
    silent="Silent: {countries}",
    beside="Beside: {claims}",
)


def body_of(*results: NationalResult, **options: Any) -> dict[str, Any]:
    """Add up and write."""
    return write_body(add_up(results, **options), WORDS)


def whole(body: dict[str, Any]) -> dict[str, Any]:
    """Put a body into a message, for the schema to check."""
    return {**BASE, "body": body}


def figures(total: RegionalTotal) -> dict[str, str]:
    """Say each total by what is counted and in which currency."""
    return {
        " ".join(filter(None, (*each.thing.codes, figure.unit.currency))): spoken(figure.claim)
        for each in total.totals
        for figure in each.figures
    }


def of(*countries: str) -> tuple[Country, ...]:
    """Name countries."""
    return tuple(Country(country) for country in countries)


def suspects(said: str, *outcomes: str, **members: Any) -> dict[str, Any]:
    """Write a group of suspects."""
    return {
        "category": "suspect",
        "suspected_of": ["migrant_smuggling"],
        "outcomes": list(outcomes),
        "count": number(said),
        **members,
    }


def cash(*amounts: dict[str, Any]) -> dict[str, Any]:
    """Write cash that was seized."""
    return {"seizures": [{"asset": "cash", "measure": "seized", "amounts": list(amounts)}]}
