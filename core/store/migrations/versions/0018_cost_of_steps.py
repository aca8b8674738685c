"""Steps tell what they cost, for whoever takes their turn over.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turn_steps", sa.Column("cost", sa.Double))


def downgrade() -> None:
    op.drop_column("turn_steps", "cost")
