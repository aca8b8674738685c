"""The last numbers of what deleted sessions had, which are not given again.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deleted_sessions",
        sa.Column("session_id", sa.String(128), primary_key=True),
        sa.Column("last_turn", sa.Integer, nullable=False),
        sa.Column("last_seq", sa.Integer, nullable=False),
        sa.Column("deleted_at", sa.Double, nullable=False),
    )
    op.create_index("deleted_sessions_by_age", "deleted_sessions", ["deleted_at"])


def downgrade() -> None:
    op.drop_table("deleted_sessions")
