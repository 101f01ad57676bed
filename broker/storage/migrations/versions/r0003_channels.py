"""Step 3: channels, what rules ask of earlier messages, and what a message asks of its desks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    """Go forward; there is no way back but the backup."""
    _add_columns()
    _create_clocks()
    _create_orders()
    _create_grants()
    _create_holds()
    _create_uses()


def _add_columns() -> None:
    empty = sa.text("''")
    with op.batch_alter_table("messages") as messages:
        for column in (
            sa.Column("second_signing_key", sa.String(40)),
            sa.Column("compartment", sa.String(16), nullable=False, server_default=empty),
            sa.Column("channel", sa.String(28)),
            sa.Column("handling", sa.String(2), nullable=False, server_default=empty),
            sa.Column("purpose", sa.String(32), nullable=False, server_default=empty),
            sa.Column("evaluation", sa.String(16)),
            sa.Column("roots", sa.Text()),
            sa.Column("in_reply_to", sa.String(36)),
            sa.Column("review_by", INSTANT),
            sa.Column("destroyed_at", INSTANT),
        ):
            messages.add_column(column)
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.add_column(sa.Column("desk_receipt", sa.Text()))
    # What was accepted and not yet published is sent again with a lost queue, too.
    op.drop_index("ix_deliveries_in_queue", "deliveries")
    is_open = "state IN ('accepted', 'dispatched', 'delivered')"
    _partial("ix_deliveries_in_queue", "deliveries", ["queue", "number"], is_open)
    _partial("ix_messages_expires", "messages", ["expires", "number"], "destroyed_at IS NULL")
    _partial(
        "ix_messages_second_signed",
        "messages",
        ["second_signing_key", "number"],
        "second_signing_key IS NOT NULL",
    )


def _create_clocks() -> None:
    op.create_table(
        "clocks",
        sa.Column("delivery", NUMBER, nullable=False),
        sa.Column("message", NUMBER, nullable=False),
        sa.Column("origin_country", sa.String(2), nullable=False),
        sa.Column("desk_country", sa.String(2), nullable=False),
        sa.Column("compartment", sa.String(16), nullable=False),
        sa.Column("due", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.Column("outcome", sa.String(32)),
        sa.Column("ground", sa.String(32)),
        sa.Column("reply", NUMBER),
        sa.Column("escalated_at", INSTANT),
        sa.PrimaryKeyConstraint("delivery", name=op.f("pk_clocks")),
        _refers("clocks", "delivery", "deliveries.number"),
        _refers("clocks", "message", "messages.number"),
        _refers("clocks", "reply", "messages.number"),
    )
    op.create_index("ix_clocks_message", "clocks", ["message"])
    op.create_index("ix_clocks_origin", "clocks", ["origin_country", "delivery"])
    op.create_index("ix_clocks_desk", "clocks", ["desk_country", "compartment", "delivery"])
    running = "closed_at IS NULL"
    _partial("ix_clocks_running", "clocks", ["origin_country", "delivery"], running)
    _partial("ix_clocks_owed", "clocks", ["desk_country", "compartment", "delivery"], running)
    untold = "closed_at IS NULL AND escalated_at IS NULL"
    _partial("ix_clocks_untold", "clocks", ["due", "delivery"], untold)
    _partial("ix_clocks_reply", "clocks", ["reply"], "reply IS NOT NULL")


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("delivery", NUMBER, nullable=False),
        sa.Column("subject", NUMBER, nullable=False),
        sa.Column("origin_country", sa.String(2), nullable=False),
        sa.Column("desk_country", sa.String(2), nullable=False),
        sa.Column("compartment", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("answered_at", INSTANT),
        sa.Column("disposition", sa.String(16)),
        sa.Column("reason", sa.String(32)),
        sa.Column("until", sa.String(10)),
        sa.Column("token", sa.Text()),
        sa.Column("receipt", NUMBER),
        sa.PrimaryKeyConstraint("delivery", name=op.f("pk_orders")),
        _refers("orders", "delivery", "deliveries.number"),
        _refers("orders", "subject", "messages.number"),
        _refers("orders", "receipt", "log.position"),
    )
    op.create_index("ix_orders_subject", "orders", ["subject"])
    op.create_index("ix_orders_origin", "orders", ["origin_country", "delivery"])
    op.create_index("ix_orders_desk", "orders", ["desk_country", "compartment", "delivery"])
    is_open = "answered_at IS NULL"
    _partial("ix_orders_open", "orders", ["origin_country", "delivery"], is_open)
    _partial("ix_orders_owed", "orders", ["desk_country", "compartment", "delivery"], is_open)


def _create_grants() -> None:
    op.create_table(
        "grants",
        sa.Column("message", NUMBER, nullable=False),
        sa.Column("subject", NUMBER, nullable=False),
        sa.Column("countries", sa.Text(), nullable=False),
        sa.Column("purposes", sa.Text(), nullable=False),
        sa.Column("until", INSTANT),
        sa.PrimaryKeyConstraint("message", "subject", name=op.f("pk_grants")),
        _refers("grants", "message", "messages.number"),
        _refers("grants", "subject", "messages.number"),
    )
    op.create_index("ix_grants_subject", "grants", ["subject"])


def _create_holds() -> None:
    op.create_table(
        "holds",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("message", NUMBER, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("lifted_at", INSTANT),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_holds")),
        _refers("holds", "message", "messages.number"),
    )
    op.create_index("ix_holds_message", "holds", ["message"])


def _create_uses() -> None:
    op.create_table(
        "uses",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("delivery", NUMBER, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_uses")),
        _refers("uses", "delivery", "deliveries.number"),
    )
    op.create_index("ix_uses_delivery", "uses", ["delivery"])


def _refers(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}"))


def _partial(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(
        name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition)
    )
