"""An index that finds turns by their status.

The one before held the active turns alone, which a database cannot use for a status that it gets as a parameter: it
looked at every turn there ever was.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ACTIVE = sa.text("status IN ('queued', 'running')")


def upgrade() -> None:
    op.create_index("turns_by_status", "turns", ["status", "created_at"])
    op.drop_index("active_turns", "turns")


def downgrade() -> None:
    op.create_index("active_turns", "turns", ["status", "created_at"], sqlite_where=ACTIVE, postgresql_where=ACTIVE)
    op.drop_index("turns_by_status", "turns")
