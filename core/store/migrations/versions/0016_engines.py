"""What a process's engines of local models do, for /health.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("processes", sa.Column("engines", sa.JSON))


def downgrade() -> None:
    op.drop_column("processes", "engines")
