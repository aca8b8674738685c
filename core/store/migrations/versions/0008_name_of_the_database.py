"""The database has a name of its own, by which a worker tells jobs of another one."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("schema_marks", sa.Column("store_id", sa.String(32)))
    marks = sa.table("schema_marks", sa.column("store_id"))
    op.execute(sa.update(marks).values(store_id=uuid4().hex))


def downgrade() -> None:
    op.drop_column("schema_marks", "store_id")
