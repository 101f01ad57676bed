"""Step 5: what desks found under a seal when the copy had ended."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Go forward; there is no way back but the backup."""
    op.create_table(
        "findings",
        sa.Column("delivery", NUMBER, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("receipt", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("delivery", name=op.f("pk_findings")),
        sa.ForeignKeyConstraint(
            ["delivery"], ["deliveries.number"], name=op.f("fk_findings_delivery")
        ),
        sa.ForeignKeyConstraint(["receipt"], ["log.position"], name=op.f("fk_findings_receipt")),
    )
