"""The job queue of a turn, where that is not the default one.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("queue", sa.String(32)))


def downgrade() -> None:
    op.drop_column("turns", "queue")
