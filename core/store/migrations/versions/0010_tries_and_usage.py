"""Turns tell their tries, their cost, the tokens that were cached or thought, and how long the model has thought;
answers that were gone on with tell where they began.

Revision ID: 0010
Revises: 0009
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in _columns():
        op.add_column("turns", column)
    op.add_column("processes", sa.Column("circuits", sa.JSON))


def downgrade() -> None:
    op.drop_column("processes", "circuits")
    for column in _columns():
        op.drop_column("turns", column.name)


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("provider", sa.String(32)),
        sa.Column("raw_finish_reason", sa.String(64)),
        sa.Column("cached_tokens", sa.Integer),
        sa.Column("reasoning_tokens", sa.Integer),
        sa.Column("reasoning_seconds", sa.Double),
        sa.Column("cost", sa.Double),
        sa.Column("tries", sa.JSON),
        sa.Column("origin", sa.Integer),
        sa.Column("upstream", sa.JSON),
    ]
