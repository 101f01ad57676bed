"""How is a regional total said to a person, in the reader's language?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from broker.cli.terminal import Record, Terminal
from broker.regional.body import Words
from broker.regional.claims import Claim
from broker.regional.national import Thing
from broker.regional.total import Cited, Figure, RegionalTotal
from broker.texts.catalogue import FALLBACK
from schemas.code_list import CodeList

LISTS: Final = {
    "groups": ("person_category", "outcome"),
    "actions": ("action",),
    "seizures": ("asset", "asset_measure"),
}
"""The code list of each code of a thing; the last one goes for all that follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Words of one language, and the labels of codes in it."""

    terminal: Terminal
    lists: Mapping[str, CodeList]

    def words(self) -> Words:
        """Give a body its sentences."""
        return Words(
            spoken=self.number,
            missing=self.terminal.text("operation.missing"),
            silent=self.terminal.text("operation.silent"),
            beside=self.terminal.text("operation.beside"),
        )

    def columns(self, regional: RegionalTotal) -> tuple[str, ...]:
        """Choose what is shown: what a regional body states only if one does."""
        has_stated = any(figure.stated for total in regional.totals for figure in total.figures)
        return ("counted", "total", "by_country", "silent", *(("stated",) if has_stated else ()))

    def rows(self, regional: RegionalTotal) -> list[Record]:
        """Show each number on a line; what was done and not counted has none."""
        rows: list[Record] = []
        for total in regional.totals:
            what = self._thing(total.thing)
            if not total.figures:
                by_country = ", ".join(total.mentioned)
                rows.append({"counted": what, "by_country": by_country})
            rows += [self._row(what, figure) for figure in total.figures]
        return rows

    def number(self, claim: Claim) -> str:
        """Say a number: ``at least 31 (preliminary)``; one that is exact needs no word."""
        said = claim.said
        qualifier = said["qualifier"]
        match qualifier:
            case "exactly":
                spoken = str(said.get("value", said.get("amount")))
            case "between":
                spoken = f"{said['minimum']}-{said['maximum']}"
            case _:
                number = said.get("value", said.get("amount", ""))
                spoken = f"{self._label('qualifier', qualifier).lower()} {number}".strip()
        if claim.unit.currency:
            spoken = f"{claim.unit.currency} {spoken}"
        return (
            f"{spoken} ({self.terminal.text('operation.early')})" if claim.preliminary else spoken
        )

    def _row(self, what: str, figure: Figure) -> Record:
        unit = figure.unit
        basis = f" ({self._label('money_basis', unit.basis).lower()})" if unit.currency else ""
        beside = "; ".join(f"{part.country} {self._cited(part.claims)}" for part in figure.beside)
        total = self.number(figure.claim)
        return {
            "counted": what + basis,
            "total": f"{total}; {self.terminal.text('operation.besides', claims=beside)}"
            if beside
            else total,
            "by_country": "; ".join(
                f"{part.country} {self._cited(part.claims)}" for part in figure.parts
            ),
            "silent": ", ".join(figure.silent) or None,
            "stated": "; ".join(self._stated(each) for each in figure.stated) or None,
        }

    def _stated(self, cited: Cited) -> str:
        senders = ", ".join(dict.fromkeys(str(source.sender) for source in cited.sources))
        return f"{self.number(cited.claim)} ({senders})"

    def _cited(self, claims: Sequence[Cited]) -> str:
        return " | ".join(self.number(each.claim) for each in claims)

    def _thing(self, thing: Thing) -> str:
        first, *rest = LISTS[thing.section]
        head, *tail = thing.codes
        spoken = self._label(first, head)
        if tail:
            spoken += ": " + ", ".join(self._label(rest[0], code).lower() for code in tail)
        return f"{spoken} ({thing.only})" if thing.only else spoken

    def _label(self, name: str, code: str) -> str:
        labels = next((each.labels for each in self.lists[name].codes if each.code == code), {})
        return labels.get(self.terminal.language) or labels.get(FALLBACK) or code
