"""Which facts does the ledger keep, and how are they found again?

The migrations build exactly this; a test compares the two on both databases.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)

from broker.storage.instant import Instant

metadata = MetaData(
    naming_convention={
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both; SQLite only takes ``INTEGER`` as an alias of its row id."""

# --- counters -------------------------------------------------------------------------

heads = Table(
    "heads",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("delivery", BigInteger, nullable=False),
    Column("hand_over", BigInteger, nullable=False),
    Column("directory", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="single"),
)
"""One row: the last number given of each sort. Locking it is the ledger's write lock, and a
rollback takes the numbers back: that is why positions have no gaps."""

# --- messages -------------------------------------------------------------------------

messages = Table(
    "messages",
    metadata,
    # The position of the acceptance in the log, so that neither needs an index to the other.
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("message_id", String(36), nullable=False),
    Column("origin_country", String(2), nullable=False),
    Column("origin_agency", String(32), nullable=False),
    Column("body_mac", LargeBinary, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("version", String(16), nullable=False),
    Column("urgency", String(16), nullable=False),
    Column("created", Instant, nullable=False),
    Column("expires", Instant, nullable=False),
    Column("accepted_at", Instant, nullable=False),
    # Not unique: no two ciphertexts have one hash, and an index over random values would
    # rewrite a page for every message. An answer is found by message id, and compared.
    Column("content_hash", String(43), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    # The key that signed it; empty where that was not noted yet.
    Column("signing_key", String(40), nullable=False, server_default=text("''")),
    # The second officer's key (SG-03).
    Column("second_signing_key", String(40)),
    # What the rules ask of a message that a later one names. Empty where it was not noted yet,
    # and a rule takes that for the strictest. Nothing here says where anybody comes from.
    Column("compartment", String(16), nullable=False, server_default=text("''")),
    Column("channel", String(28)),
    Column("handling", String(2), nullable=False, server_default=text("''")),
    Column("purpose", String(32), nullable=False, server_default=text("''")),
    # ``4x4/A/1``: scheme, source, information.
    Column("evaluation", String(16)),
    # Message ids with a space between: where its lineage ends.
    Column("roots", Text),
    Column("in_reply_to", String(36)),
    Column("review_by", Instant),
    # A tombstone: the content is gone, its hash and its log entries stay.
    Column("destroyed_at", Instant),
    # The id comes first: a group looks up its ids alone, with one flat IN.
    UniqueConstraint("message_id", "origin_country", "origin_agency"),
)

log = Table(
    "log",
    metadata,
    Column("position", NUMBER, primary_key=True, autoincrement=False),
    Column("event", String(16), nullable=False),
    Column("at", Instant, nullable=False),
    Column("message", NUMBER, ForeignKey("messages.number"), nullable=False),
    # No foreign key: a delivery already points here, and a circle could not be inserted.
    Column("delivery", NUMBER),
    Column("token", Text, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("message", NUMBER, ForeignKey("messages.number"), nullable=False),
    Column("queue", String(32), nullable=False),
    Column("desk_country", String(2), nullable=False),
    Column("compartment", String(16), nullable=False),
    # Empty where no copy was sealed for the desk (SG-07).
    Column("key_id", String(40), nullable=False),
    Column("state", String(16), nullable=False),
    Column("changed_at", Instant, nullable=False),
    # Copied from the message, so that one partial index finds what is due.
    Column("expires", Instant, nullable=False),
    Column("claimed_by", Text),
    Column("claimed_until", Instant),
    Column("leased_by", Text),
    Column("leased_until", Instant),
    Column("hand_over", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("first_handed_at", Instant),
    Column("reason", String(32)),
    Column("desk_token", Text),
    Column("receipt", NUMBER, ForeignKey("log.position")),
    # The acceptance as this desk may see it, where a charter hides the others (SG-12).
    Column("desk_receipt", Text),
    UniqueConstraint("message", "desk_country", "compartment"),
)


def _state_in(*states: str) -> ColumnElement[bool]:
    # Literals, not parameters: a planner uses a partial index only when it can read there that
    # the query asks for nothing else.
    return deliveries.c.state.in_([literal_column(f"'{state}'") for state in states])


IS_UNPUBLISHED = _state_in("accepted")
IS_OPEN = _state_in("accepted", "dispatched", "delivered")
# Both, so that SQLite sees that one index serves it: it does not draw conclusions.
IS_IN_QUEUE = IS_OPEN & _state_in("dispatched", "delivered")
IS_DEAD_LETTERED = _state_in("dead-lettered")
IS_UNENDED = _state_in("accepted", "dispatched", "delivered", "dead-lettered")
"""Unanswered, and its sender has not been told yet that it ran out: it is not destroyed (SG-08)."""
IS_UNOPENED = _state_in("accepted", "dispatched", "delivered", "dead-lettered", "expired")
"""What the desk has not answered: the sealed body is still needed, or may be."""
IS_LEASED = deliveries.c.leased_by.is_not(None)


def _partial(name: str, *columns: Column[object], where: ColumnElement[bool]) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


# An index holds only what is still in motion: it stays small however long the ledger lives.
_partial("ix_deliveries_unpublished", deliveries.c.number, where=IS_UNPUBLISHED)
_partial("ix_deliveries_in_queue", deliveries.c.queue, deliveries.c.number, where=IS_OPEN)
_partial("ix_deliveries_open", deliveries.c.expires, where=IS_OPEN)
_partial("ix_deliveries_leased", deliveries.c.leased_by, deliveries.c.hand_over, where=IS_LEASED)
_partial(
    "ix_deliveries_dead_lettered", deliveries.c.queue, deliveries.c.number, where=IS_DEAD_LETTERED
)
_partial("ix_deliveries_given_up", deliveries.c.expires, where=IS_DEAD_LETTERED)

_partial(
    "ix_deliveries_unopened",
    deliveries.c.key_id,
    deliveries.c.desk_country,
    deliveries.c.compartment,
    deliveries.c.number,
    where=IS_UNOPENED,
)
Index("ix_deliveries_key", deliveries.c.key_id, deliveries.c.number)

HAS_CONTENT = messages.c.destroyed_at.is_(None)
"""No key is kept, and nothing sent again, for what is a tombstone (SG-08)."""
_partial("ix_messages_expires", messages.c.expires, messages.c.number, where=HAS_CONTENT)
IS_SIGNED = messages.c.signing_key != literal_column("''")
_partial("ix_messages_signed", messages.c.signing_key, messages.c.number, where=IS_SIGNED)
IS_SECOND_SIGNED = messages.c.second_signing_key.is_not(None)
_partial(
    "ix_messages_second_signed",
    messages.c.second_signing_key,
    messages.c.number,
    where=IS_SECOND_SIGNED,
)

findings = Table(
    "findings",
    metadata,
    Column(
        "delivery",
        NUMBER,
        ForeignKey("deliveries.number"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("reason", String(32), nullable=False),
    # The desk's own signature over its refusal.
    Column("token", Text, nullable=False),
    Column("receipt", NUMBER, ForeignKey("log.position"), nullable=False),
)
"""What a desk found under the seal when its copy had ended already. Apart from the delivery,
whose state, evidence and receipt are those of its end."""

# --- keys -----------------------------------------------------------------------------

rewraps = Table(
    "rewraps",
    metadata,
    # The position of the event in the log.
    Column("position", NUMBER, ForeignKey("log.position"), primary_key=True, autoincrement=False),
    Column("delivery", NUMBER, ForeignKey("deliveries.number"), nullable=False),
    Column("old_key", String(40), nullable=False),
    Column("new_key", String(40), nullable=False),
    # The desk's own signature: the exchange cannot have invented the new entry.
    Column("desk_token", Text, nullable=False),
    Index("ix_rewraps_delivery", "delivery"),
    Index("ix_rewraps_old_key", "old_key", "delivery"),
    Index("ix_rewraps_new_key", "new_key", "position"),
)
"""Which keys a delivery was sealed to before its present one: what was once readable by a key
stays on record when nothing opens with it any more."""

pickups = Table(
    "pickups",
    metadata,
    # A process of a gateway, or a client.
    Column("party", String(96), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
)
"""Which version of the directory each one works by."""

notices = Table(
    "notices",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("country", String(2), nullable=False),
    Column("at", Instant, nullable=False),
    Column("kid", String(40), nullable=False),
    Column("event", String(32), nullable=False),
    # A digest of what it is about, so that a country is told once.
    Column("subject", LargeBinary, nullable=False),
    Column("token", Text, nullable=False),
    UniqueConstraint("country", "subject"),
    Index("ix_notices_country", "country", "number"),
)

# --- what a message asks of its recipients ------------------------------------------

clocks = Table(
    "clocks",
    metadata,
    # The delivery of the request: each recipient has a clock of its own.
    Column(
        "delivery",
        NUMBER,
        ForeignKey("deliveries.number"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("message", NUMBER, ForeignKey("messages.number"), nullable=False),
    # Copied from message and delivery, so that an index finds one side's requests.
    Column("origin_country", String(2), nullable=False),
    Column("desk_country", String(2), nullable=False),
    Column("compartment", String(16), nullable=False),
    Column("due", Instant, nullable=False),
    Column("closed_at", Instant),
    # The code of the reply that closed it, or was the last to come; or how it ended without.
    Column("outcome", String(32)),
    Column("ground", String(32)),
    Column("reply", NUMBER, ForeignKey("messages.number")),
    Column("escalated_at", Instant),
    Index("ix_clocks_message", "message"),
    Index("ix_clocks_origin", "origin_country", "delivery"),
    Index("ix_clocks_desk", "desk_country", "compartment", "delivery"),
)
"""Requests that wait for an answer (SG-13)."""

IS_RUNNING = clocks.c.closed_at.is_(None)
_partial("ix_clocks_running", clocks.c.origin_country, clocks.c.delivery, where=IS_RUNNING)
_partial(
    "ix_clocks_owed",
    clocks.c.desk_country,
    clocks.c.compartment,
    clocks.c.delivery,
    where=IS_RUNNING,
)
IS_UNTOLD = IS_RUNNING & clocks.c.escalated_at.is_(None)
_partial("ix_clocks_untold", clocks.c.due, clocks.c.delivery, where=IS_UNTOLD)
_partial("ix_clocks_reply", clocks.c.reply, where=clocks.c.reply.is_not(None))

orders = Table(
    "orders",
    metadata,
    # The delivery of the recall or rectification itself.
    Column(
        "delivery",
        NUMBER,
        ForeignKey("deliveries.number"),
        primary_key=True,
        autoincrement=False,
    ),
    # The message that is recalled or rectified.
    Column("subject", NUMBER, ForeignKey("messages.number"), nullable=False),
    # Copied from message and delivery, so that an index finds one side's orders.
    Column("origin_country", String(2), nullable=False),
    Column("desk_country", String(2), nullable=False),
    Column("compartment", String(16), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("answered_at", Instant),
    Column("disposition", String(16)),
    Column("reason", String(32)),
    # Until when the desk means to keep it; the day, as the desk wrote it.
    Column("until", String(10)),
    # The desk's own signature over its answer; none where it never had the message.
    Column("token", Text),
    # The gateway's word on the answer.
    Column("receipt", NUMBER, ForeignKey("log.position")),
    Index("ix_orders_subject", "subject"),
    Index("ix_orders_origin", "origin_country", "delivery"),
    Index("ix_orders_desk", "desk_country", "compartment", "delivery"),
)
"""Recalls and rectifications, open until each desk has answered (SG-07)."""

IS_UNANSWERED = orders.c.answered_at.is_(None)
_partial("ix_orders_open", orders.c.origin_country, orders.c.delivery, where=IS_UNANSWERED)
_partial(
    "ix_orders_owed",
    orders.c.desk_country,
    orders.c.compartment,
    orders.c.delivery,
    where=IS_UNANSWERED,
)

grants = Table(
    "grants",
    metadata,
    # The message that grants, and the one that may be handed on.
    Column("message", NUMBER, ForeignKey("messages.number"), primary_key=True),
    Column("subject", NUMBER, ForeignKey("messages.number"), primary_key=True),
    # Codes with a space between; empty allows what was asked.
    Column("countries", Text, nullable=False),
    Column("purposes", Text, nullable=False),
    Column("until", Instant),
    Index("ix_grants_subject", "subject"),
)
"""Originators' permissions to hand on (SG-05)."""

holds = Table(
    "holds",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("message", NUMBER, ForeignKey("messages.number"), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("lifted_at", Instant),
    Index("ix_holds_message", "message"),
)
"""Legal holds: while one runs, a message is not destroyed (SG-08)."""

reviews = Table(
    "reviews",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("message", NUMBER, ForeignKey("messages.number"), nullable=False),
    # Why, and until when it stays; neither where it was destroyed.
    Column("reason", String(32)),
    Column("by", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("until", Instant),
    Index("ix_reviews_message", "message", "number"),
)
"""What a person decided when a message's ``review_by`` was past; the newest counts (SG-08)."""

uses = Table(
    "uses",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("delivery", NUMBER, ForeignKey("deliveries.number"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reader", String(64), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("token", Text, nullable=False),
    Index("ix_uses_delivery", "delivery"),
)
"""Who read a message, and for what, by the desk's own word (SG-06)."""

# --- single-use values ----------------------------------------------------------------

spent = Table(
    "spent",
    metadata,
    Column("value", LargeBinary, primary_key=True),
    Column("until", Instant, nullable=False, index=True),
    sqlite_with_rowid=False,
)

# --- the directory --------------------------------------------------------------------

countries = Table("countries", metadata, Column("country", String(2), primary_key=True))

agencies = Table(
    "agencies",
    metadata,
    Column("country", String(2), primary_key=True),
    Column("agency", String(32), primary_key=True),
    Column("function", String(32), nullable=False),
    Column("name", Text, nullable=False),
)

clients = Table(
    "clients",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("country", String(2), nullable=False),
    Column("agency", String(32)),
    Column("compartment", String(16)),
    # Space-separated and sorted, as OAuth writes them.
    Column("scopes", Text, nullable=False),
    CheckConstraint("(agency IS NULL) <> (compartment IS NULL)", name="subject"),
)

desks = Table(
    "desks",
    metadata,
    Column("country", String(2), primary_key=True),
    Column("compartment", String(16), primary_key=True),
)

statements = Table(
    "statements",
    metadata,
    # The order of arrival.
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    # SHA-256 of the token: PostgreSQL cannot index a text of more than 2704 bytes.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("token", Text, nullable=False),
    # Empty where that was not noted yet.
    Column("recorded_at", Instant),
    # Of the directory, with which it came; empty likewise.
    Column("version", BigInteger),
)
