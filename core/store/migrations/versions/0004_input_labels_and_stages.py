"""A turn's input, labels, request and the times of its stages; the version of a process.

All of it may be missing: processes of the release before go on beside those that know of it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in _of_turns():
        op.add_column("turns", column)
    for column in _of_processes():
        op.add_column("processes", column)


def downgrade() -> None:
    for column in _of_processes():
        op.drop_column("processes", column.name)
    for column in _of_turns():
        op.drop_column("turns", column.name)


def _of_turns() -> list[sa.Column[Any]]:
    return [
        sa.Column("input", sa.JSON),
        sa.Column("goal_id", sa.String(128)),
        sa.Column("work_item_id", sa.String(128)),
        sa.Column("run_id", sa.String(128)),
        sa.Column("metadata", sa.JSON),
        sa.Column("request_id", sa.String(128)),
        sa.Column("trace_context", sa.JSON),
        sa.Column("claimed_at", sa.Double),
        sa.Column("asked_at", sa.Double),
        sa.Column("first_token_at", sa.Double),
        sa.Column("part_ends", sa.LargeBinary),
    ]


def _of_processes() -> list[sa.Column[Any]]:
    return [sa.Column("version", sa.String(32)), sa.Column("format", sa.Integer)]
