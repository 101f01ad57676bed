"""Which rule allows or denies each recipient? What `enlace policy explain` shows.

The same rules as in :mod:`broker.admission.authorise`, asked of one recipient at a time, so that
a policy can be tried on messages before anybody decides on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import Destination, destination_of
from broker.admission.rules.rule import Rule
from broker.admission.rules.table import RULES
from broker.errors import Code, PermissionDeniedError
from broker.model.message import Envelope, Route
from broker.model.names import DeskRef
from schemas.vocabulary import Country


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of one recipient."""

    country: Country | None
    """None: of the whole channel."""
    desk: DeskRef | None
    """None: there is no such desk or road."""
    rule: str
    """The one that allows, or the first that denies."""
    denied_by: tuple["Denial", ...] = ()

    @property
    def is_allowed(self) -> bool:
        """Whether this recipient would be sealed to, were it the only one."""
        return not self.denied_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """One rule that denies a recipient."""

    rule: str
    code: Code
    pointer: str


def explain(
    message: Envelope, circumstances: Circumstances, *, knows_earlier: bool
) -> tuple[Verdict, ...]:
    """Judge each recipient by itself.

    Args:
        message: Valid by its schema.
        circumstances: A directory, and the policy to try.
        knows_earlier: Whether ``circumstances.known`` was looked up. If not, the rules about
            earlier messages are left out: they would deny whatever has a lineage.
    """
    rules = [rule for rule in RULES if knows_earlier or not rule.of_earlier]
    if message.to.channel is not None:
        return tuple(_of_channel(message, circumstances, rules))
    return tuple(
        _of_country(message, circumstances, rules, country) for country in message.to.countries
    )


def _of_country(
    message: Envelope, circumstances: Circumstances, rules: list[Rule], country: Country
) -> Verdict:
    alone = replace(message, to=replace(message.to, countries=(country,)))
    try:
        destination = destination_of(alone, circumstances.directory, circumstances.now)
    except PermissionDeniedError as error:
        return _closed(error, country)
    return _judged(alone, destination, circumstances, rules)


def _of_channel(
    message: Envelope, circumstances: Circumstances, rules: list[Rule]
) -> Iterator[Verdict]:
    try:
        destination = destination_of(message, circumstances.directory, circumstances.now)
    except PermissionDeniedError as error:
        yield _closed(error, None)
        return
    for route in destination.routes:
        yield _judged(message, replace(destination, routes=(route,)), circumstances, rules)


def _judged(
    message: Envelope, destination: Destination, circumstances: Circumstances, rules: list[Rule]
) -> Verdict:
    denials = tuple(_denials(message, destination, circumstances, rules))
    route: Route = destination.routes[0]
    return Verdict(
        country=route.desk.country,
        desk=route.desk,
        rule=denials[0].rule if denials else route.rule,
        denied_by=denials,
    )


def _denials(
    message: Envelope, destination: Destination, circumstances: Circumstances, rules: list[Rule]
) -> Iterator[Denial]:
    for rule in rules:
        try:
            rule.check(message, destination, circumstances)
        except PermissionDeniedError as error:
            yield _denial(error)


def _closed(error: PermissionDeniedError, country: Country | None) -> Verdict:
    denial = _denial(error)
    return Verdict(country=country, desk=None, rule=denial.rule, denied_by=(denial,))


def _denial(error: PermissionDeniedError) -> Denial:
    return Denial(
        rule=error.rule or error.code.value,
        code=error.code,
        pointer=error.problems[0].pointer if error.problems else "",
    )
