"""A table of the WebSocket tickets that were used, so that none is used twice, at whatever process."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spent_tickets",
        sa.Column("ticket_id", sa.String(32), primary_key=True),
        sa.Column("spent_at", sa.Double, nullable=False),
    )
    op.create_index("spent_tickets_by_age", "spent_tickets", ["spent_at"])


def downgrade() -> None:
    op.drop_table("spent_tickets")
