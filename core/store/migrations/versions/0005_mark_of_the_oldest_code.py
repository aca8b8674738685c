"""A mark in the database: the oldest code that can run on its schema.

Code that finds a revision that it does not know asks the mark whether it may run. What came before the mark only added
to the schema since 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    marks = op.create_table("schema_marks", sa.Column("oldest_code", sa.String(32), nullable=False))
    op.bulk_insert(marks, [{"oldest_code": "0003"}])


def downgrade() -> None:
    op.drop_table("schema_marks")
