"""Which rule allows or denies each recipient? What `enlace policy explain` shows.

It takes the road and the rules of :mod:`broker.admission.authorise`, and asks them of one
recipient at a time, so that a policy can be tried on messages before anybody decides on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from broker.admission.authorise import rules_of, where_to
from broker.admission.circumstances import Circumstances
from broker.admission.recall import TAKING_BACK
from broker.admission.recipients import Destination
from broker.admission.rules.rule import Rule, pointer_to
from broker.errors import Code, PermissionDeniedError
from broker.model.message import Envelope
from broker.model.names import DeskRef
from schemas.vocabulary import Country


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of one recipient."""

    country: Country | None
    """None: of the whole message, to a channel or taken back."""
    desk: DeskRef | None
    """None: there is no such desk or road."""
    rule: str
    """The one that allows, or the first that denies."""
    denied_by: tuple["Denial", ...] = ()

    @property
    def is_allowed(self) -> bool:
        """Whether nothing keeps the message from this recipient."""
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
    """Judge each recipient by itself; where none is denied, the gateway would take the message.

    Args:
        message: Valid by its schema.
        circumstances: A directory, and the policy to try.
        knows_earlier: Whether ``circumstances.known`` was looked up. If not, the rules about
            earlier messages are left out: they would deny whatever has a lineage.

    Raises:
        RuntimeError: A recall goes where its message went, and nothing was looked up.
    """
    if message.kind in TAKING_BACK and not knows_earlier:
        raise RuntimeError("where a recall goes, only its message can say")
    rules = [rule for rule in rules_of(message) if knows_earlier or not rule.of_earlier]
    return tuple(
        verdict
        for country, part in _parts(message)
        for verdict in _verdicts(message, country, part, circumstances, rules)
    )


def _parts(message: Envelope) -> Iterator[tuple[Country | None, Envelope]]:
    """Take apart what has a road for each recipient: where one is closed, another may be open."""
    if message.to.channel is not None or message.kind in TAKING_BACK:
        yield None, message
        return
    for country in message.to.countries:
        yield country, replace(message, to=replace(message.to, countries=(country,)))


def _verdicts(
    message: Envelope,
    country: Country | None,
    part: Envelope,
    circumstances: Circumstances,
    rules: Sequence[Rule],
) -> Iterator[Verdict]:
    try:
        destination = where_to(part, circumstances)
    except PermissionDeniedError as error:
        yield _closed(error, message, country)
        return
    for route in destination.routes:
        one = replace(destination, routes=(route,))
        # The rules see the whole message: whom it goes to beside this one matters, too.
        denials = tuple(_denials(message, one, circumstances, rules))
        yield Verdict(
            country=route.desk.country,
            desk=route.desk,
            rule=denials[0].rule if denials else route.rule,
            denied_by=denials,
        )


def _denials(
    message: Envelope,
    destination: Destination,
    circumstances: Circumstances,
    rules: Sequence[Rule],
) -> Iterator[Denial]:
    for rule in rules:
        try:
            rule.check(message, destination, circumstances)
        except PermissionDeniedError as error:
            yield _denial(error)


def _closed(error: PermissionDeniedError, message: Envelope, country: Country | None) -> Verdict:
    denial = _denial(error)
    if country is not None:
        denial = replace(denial, pointer=pointer_to(message, country))
    return Verdict(country=country, desk=None, rule=denial.rule, denied_by=(denial,))


def _denial(error: PermissionDeniedError) -> Denial:
    return Denial(
        rule=error.rule or error.code.value,
        code=error.code,
        pointer=error.problems[0].pointer,
    )
