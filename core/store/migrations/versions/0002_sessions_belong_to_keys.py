"""Sessions belong to the API key that made them; those from before belong to none."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("key_name", sa.String(32)))
    op.create_index("sessions_of_key", "sessions", ["key_name", "updated_at"])


def downgrade() -> None:
    op.drop_index("sessions_of_key", "sessions")
    op.drop_column("sessions", "key_name")
