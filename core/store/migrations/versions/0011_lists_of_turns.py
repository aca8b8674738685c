"""Indexes that lists of turns, newest first, are read by: of all, and of a goal.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

HAS_GOAL = sa.text("goal_id IS NOT NULL")


def upgrade() -> None:
    op.create_index("turns_by_creation", "turns", ["created_at"])
    op.create_index(
        "turns_of_goal", "turns", ["goal_id", "created_at"], sqlite_where=HAS_GOAL, postgresql_where=HAS_GOAL
    )


def downgrade() -> None:
    op.drop_index("turns_of_goal", "turns")
    op.drop_index("turns_by_creation", "turns")
