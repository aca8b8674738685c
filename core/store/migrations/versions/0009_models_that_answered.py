"""Which model has answered, by the word of the model's service."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("served_model", sa.String(200)))


def downgrade() -> None:
    op.drop_column("turns", "served_model")
