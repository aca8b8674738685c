"""Heartbeats have numbers, by which silence is told without a clock."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("processes", sa.Column("beat", sa.BigInteger))


def downgrade() -> None:
    op.drop_column("processes", "beat")
