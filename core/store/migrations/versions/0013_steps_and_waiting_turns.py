"""The steps of turns with tools, and the ids that clients give to their messages.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

HAS_ID = sa.text("message_id IS NOT NULL")


def _of_turn() -> tuple[sa.Column[object], sa.Column[object], sa.ForeignKeyConstraint]:
    return (
        sa.Column("session_id", sa.String(128), primary_key=True),
        sa.Column("turn", sa.Integer, primary_key=True, autoincrement=False),
        sa.ForeignKeyConstraint(["session_id", "turn"], ["turns.session_id", "turns.turn"], ondelete="CASCADE"),
    )


def upgrade() -> None:
    op.create_table(
        "turn_steps",
        *_of_turn(),
        sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("parts", sa.LargeBinary, nullable=False),
        sa.Column("usage", sa.JSON),
    )
    op.create_table(
        "tool_calls",
        *_of_turn(),
        sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("done_as", sa.Integer),
        sa.Column("result", sa.LargeBinary),
    )
    op.add_column("turns", sa.Column("message_id", sa.String(128)))
    op.create_index(
        "turns_by_message",
        "turns",
        ["session_id", "message_id"],
        sqlite_where=HAS_ID,
        postgresql_where=HAS_ID,
    )


def downgrade() -> None:
    op.drop_index("turns_by_message", "turns")
    op.drop_column("turns", "message_id")
    op.drop_table("tool_calls")
    op.drop_table("turn_steps")
