"""Other releases' migrations, for tests: folders of scripts that know fewer revisions than ours, or more."""

import shutil
from pathlib import Path

from core.store.migrate import SCRIPTS, revisions

LATER = "9001"
"""The revision that a release to come adds."""

_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{revision}", "{before}", None, None


def upgrade() -> None:
    {does}
"""

EXPANDING = """
    op.add_column("turns", sa.Column("mood", sa.String(16), server_default="calm", nullable=False))
    op.add_column("sessions", sa.Column("colour", sa.Text))
    op.add_column("processes", sa.Column("mood", sa.Text))
    op.create_table("moods", sa.Column("mood", sa.String(16), primary_key=True))
"""
CONTRACTING = 'op.drop_column("turns", "handed_over")'
MARK = f"op.execute(\"UPDATE schema_marks SET oldest_code = '{LATER}'\")"


def earlier_release(folder: Path, newest: str) -> Path:
    """Ours up to the revision `newest`."""
    scripts = _copy(folder)
    for script in (scripts / "versions").glob("[0-9]*.py"):
        if script.name.partition("_")[0] > newest:
            script.unlink()
    return scripts


def later_release(folder: Path, does: str) -> Path:
    """Ours, and one more that `does` something."""
    scripts = _copy(folder)
    code = _MIGRATION.format(revision=LATER, before=revisions()[-1], does=does.strip())
    (scripts / "versions" / f"{LATER}_later.py").write_text(code)
    return scripts


def _copy(folder: Path) -> Path:
    return Path(shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__")))
