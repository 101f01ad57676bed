"""Step 1: the ledger, the single-use values and the directory."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    """Go forward; there is no way back but the backup."""
    _create_heads()
    _create_messages()
    _create_log()
    _create_deliveries()
    _index_deliveries()
    _create_spent()
    _create_members()
    _create_clients()
    _create_statements()


def _create_heads() -> None:
    heads = op.create_table(
        "heads",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("delivery", sa.BigInteger(), nullable=False),
        sa.Column("hand_over", sa.BigInteger(), nullable=False),
        sa.Column("directory", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_heads_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heads")),
    )
    start = {"id": 1, "position": 0, "delivery": 0, "hand_over": 0, "directory": 0}
    op.bulk_insert(heads, [start])


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("message_id", sa.String(36), nullable=False),
        sa.Column("origin_country", sa.String(2), nullable=False),
        sa.Column("origin_agency", sa.String(32), nullable=False),
        sa.Column("body_mac", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("version", sa.String(16), nullable=False),
        sa.Column("urgency", sa.String(16), nullable=False),
        sa.Column("created", INSTANT, nullable=False),
        sa.Column("expires", INSTANT, nullable=False),
        sa.Column("accepted_at", INSTANT, nullable=False),
        sa.Column("content_hash", sa.String(43), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_messages")),
        sa.UniqueConstraint(
            "message_id",
            "origin_country",
            "origin_agency",
            name=op.f("uq_messages_message_id"),
        ),
    )


def _create_log() -> None:
    op.create_table(
        "log",
        sa.Column("position", NUMBER, autoincrement=False, nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("message", NUMBER, nullable=False),
        sa.Column("delivery", NUMBER),
        sa.Column("token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_log")),
        sa.ForeignKeyConstraint(["message"], ["messages.number"], name=op.f("fk_log_message")),
    )


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("message", NUMBER, nullable=False),
        sa.Column("queue", sa.String(32), nullable=False),
        sa.Column("desk_country", sa.String(2), nullable=False),
        sa.Column("compartment", sa.String(16), nullable=False),
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("expires", INSTANT, nullable=False),
        sa.Column("claimed_by", sa.Text()),
        sa.Column("claimed_until", INSTANT),
        sa.Column("leased_by", sa.Text()),
        sa.Column("leased_until", INSTANT),
        sa.Column("hand_over", sa.BigInteger()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_handed_at", INSTANT),
        sa.Column("reason", sa.String(32)),
        sa.Column("desk_token", sa.Text()),
        sa.Column("receipt", NUMBER),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "message", "desk_country", "compartment", name=op.f("uq_deliveries_message")
        ),
        sa.ForeignKeyConstraint(
            ["message"], ["messages.number"], name=op.f("fk_deliveries_message")
        ),
        sa.ForeignKeyConstraint(["receipt"], ["log.position"], name=op.f("fk_deliveries_receipt")),
    )


def _index_deliveries() -> None:
    for name, columns, condition in (
        ("unpublished", ["number"], "state IN ('accepted')"),
        ("in_queue", ["queue", "number"], "state IN ('dispatched', 'delivered')"),
        ("open", ["expires"], "state IN ('accepted', 'dispatched', 'delivered')"),
        ("leased", ["leased_by", "hand_over"], "leased_by IS NOT NULL"),
        ("dead_lettered", ["queue", "number"], "state IN ('dead-lettered')"),
    ):
        op.create_index(
            f"ix_deliveries_{name}",
            "deliveries",
            columns,
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )


def _create_spent() -> None:
    op.create_table(
        "spent",
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("value", name=op.f("pk_spent")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_spent_until"), "spent", ["until"])


def _create_members() -> None:
    op.create_table(
        "countries",
        sa.Column("country", sa.String(2), nullable=False),
        sa.PrimaryKeyConstraint("country", name=op.f("pk_countries")),
    )
    op.create_table(
        "agencies",
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("agency", sa.String(32), nullable=False),
        sa.Column("function", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("country", "agency", name=op.f("pk_agencies")),
    )
    op.create_table(
        "desks",
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("compartment", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("country", "compartment", name=op.f("pk_desks")),
    )
    op.create_table(
        "pairs",
        sa.Column("origin", sa.String(2), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("compartment", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("origin", "country", "compartment", name=op.f("pk_pairs")),
    )


def _create_clients() -> None:
    op.create_table(
        "clients",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("agency", sa.String(32)),
        sa.Column("compartment", sa.String(16)),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(agency IS NULL) <> (compartment IS NULL)", name=op.f("ck_clients_subject")
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_clients")),
    )


def _create_statements() -> None:
    op.create_table(
        "statements",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_statements")),
        sa.UniqueConstraint("digest", name=op.f("uq_statements_digest")),
    )
