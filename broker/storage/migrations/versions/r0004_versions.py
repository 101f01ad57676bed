"""Step 4: with which version of the directory each signed document came."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; there is no way back but the backup."""
    with op.batch_alter_table("statements") as statements:
        statements.add_column(sa.Column("version", sa.BigInteger()))
