"""Sessions, turns and processes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ACTIVE = sa.text("status IN ('queued', 'running')")


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.String(128), primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("last_turn", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
    )
    op.create_index("sessions_by_update", "sessions", ["updated_at"])
    op.create_table(
        "turns",
        sa.Column(
            "session_id",
            sa.String(128),
            sa.ForeignKey("sessions.session_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("turn", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(128)),
        sa.Column("lost_attempts", sa.Integer, nullable=False),
        sa.Column("handed_over", sa.Integer),
        sa.Column("dropped", sa.Integer),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("replaces", sa.Integer),
        sa.Column("tape", sa.LargeBinary),
        sa.Column("finish_reason", sa.String(32)),
        sa.Column("input_tokens", sa.Integer),
        sa.Column("output_tokens", sa.Integer),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_message", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("queued_at", sa.Double),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
    )
    op.create_index(
        "one_active_turn", "turns", ["session_id"], unique=True, sqlite_where=ACTIVE, postgresql_where=ACTIVE
    )
    op.create_index("turns_by_end", "turns", ["finished_at"])
    op.create_index("active_turns", "turns", ["status", "created_at"], sqlite_where=ACTIVE, postgresql_where=ACTIVE)
    op.create_table(
        "processes",
        sa.Column("process_id", sa.String(128), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("processes")
    op.drop_table("turns")
    op.drop_table("sessions")
