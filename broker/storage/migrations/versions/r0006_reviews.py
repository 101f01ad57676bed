"""Step 6: what became of messages that were reviewed, and which given-up copies run out."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    """Go forward; there is no way back but the backup."""
    op.create_table(
        "reviews",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("message", NUMBER, nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("until", INSTANT),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_reviews")),
        sa.ForeignKeyConstraint(["message"], ["messages.number"], name=op.f("fk_reviews_message")),
    )
    op.create_index("ix_reviews_message", "reviews", ["message", "number"])
    given_up = sa.text("state IN ('dead-lettered')")
    op.create_index(
        "ix_deliveries_given_up",
        "deliveries",
        ["expires"],
        sqlite_where=given_up,
        postgresql_where=given_up,
    )
