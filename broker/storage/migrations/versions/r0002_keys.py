"""Step 2: what is sealed to which key, who has taken up what, and who was told."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
UNOPENED = "state IN ('accepted', 'dispatched', 'delivered', 'dead-lettered', 'expired')"
SIGNED = "signing_key != ''"


def upgrade() -> None:
    """Go forward; there is no way back but the backup."""
    _add_columns()
    _index_keys()
    _create_rewraps()
    _create_pickups()
    _create_notices()
    # Roads are open by administrators' signed acts now; what a row says opens nothing.
    op.drop_table("pairs")


def _add_columns() -> None:
    with op.batch_alter_table("messages") as messages:
        messages.add_column(
            sa.Column("signing_key", sa.String(40), nullable=False, server_default=sa.text("''"))
        )
    with op.batch_alter_table("statements") as statements:
        statements.add_column(sa.Column("recorded_at", INSTANT))


def _index_keys() -> None:
    by_desk = ["key_id", "desk_country", "compartment", "number"]
    for name, table, columns, condition in (
        ("ix_deliveries_unopened", "deliveries", by_desk, UNOPENED),
        ("ix_messages_signed", "messages", ["signing_key", "number"], SIGNED),
    ):
        op.create_index(
            name,
            table,
            columns,
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )
    op.create_index("ix_deliveries_key", "deliveries", ["key_id", "number"])


def _create_rewraps() -> None:
    op.create_table(
        "rewraps",
        sa.Column("position", NUMBER, autoincrement=False, nullable=False),
        sa.Column("delivery", NUMBER, nullable=False),
        sa.Column("old_key", sa.String(40), nullable=False),
        sa.Column("new_key", sa.String(40), nullable=False),
        sa.Column("desk_token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_rewraps")),
        sa.ForeignKeyConstraint(["position"], ["log.position"], name=op.f("fk_rewraps_position")),
        sa.ForeignKeyConstraint(
            ["delivery"], ["deliveries.number"], name=op.f("fk_rewraps_delivery")
        ),
    )
    op.create_index("ix_rewraps_delivery", "rewraps", ["delivery"])
    op.create_index("ix_rewraps_old_key", "rewraps", ["old_key", "delivery"])
    op.create_index("ix_rewraps_new_key", "rewraps", ["new_key", "position"])


def _create_pickups() -> None:
    op.create_table(
        "pickups",
        sa.Column("party", sa.String(96), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("party", name=op.f("pk_pickups")),
    )


def _create_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kid", sa.String(40), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_notices")),
        sa.UniqueConstraint("country", "subject", name=op.f("uq_notices_country")),
    )
    op.create_index("ix_notices_country", "notices", ["country", "number"])
