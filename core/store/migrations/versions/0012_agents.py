"""A table of agents, for installations of several machines; on one they are files.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agents",
        sa.Column("agent_id", sa.String(64), primary_key=True),
        sa.Column("key_name", sa.String(32)),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("system_prompt", sa.Text, nullable=False),
        sa.Column("markdown_context", sa.Text, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("tools", sa.JSON, nullable=False),
        sa.Column("document", sa.Text),
        sa.Column("revision", sa.String(16), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("agents")
