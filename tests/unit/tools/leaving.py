"""A module that cannot be imported."""

raise SystemExit("no")
