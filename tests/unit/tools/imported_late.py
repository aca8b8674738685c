"""A module with a tool that nothing else imports."""


def late() -> str:
    return "late"
