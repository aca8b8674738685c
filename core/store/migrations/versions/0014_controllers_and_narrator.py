"""The controllers, each with its lease, and what the narrators of conversations are told and tell.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "controllers",
        sa.Column("key_name", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("agent_id", sa.String(64)),
        sa.Column("lease_id", sa.String(64)),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("holder", sa.String(160)),
        sa.Column("ttl_seconds", sa.Double, nullable=False),
        sa.Column("renewed_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_table(
        "narrator_events",
        sa.Column("event_id", sa.Integer, primary_key=True),
        sa.Column(
            "session_id",
            sa.String(128),
            sa.ForeignKey("sessions.session_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("controller", sa.String(64), nullable=False),
        sa.Column("epoch", sa.Integer),
        sa.Column("message_id", sa.String(128)),
        sa.Column("workspace_id", sa.String(128)),
        sa.Column("answers", sa.Integer),
        sa.Column("turn", sa.Integer),
        sa.Column("at", sa.Double, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("narrator_events_in_order", "narrator_events", ["session_id", "seq"], unique=True)
    op.create_index("narrator_events_by_message", "narrator_events", ["session_id", "message_id"], unique=True)
    op.create_index("narrator_events_by_answer", "narrator_events", ["answers"], unique=True)
    op.create_index("narrator_events_by_time", "narrator_events", ["at"])


def downgrade() -> None:
    op.drop_table("narrator_events")
    op.drop_table("controllers")
