"""A certificate for the mock upstream, and the authority by which it is trusted."""

from pathlib import Path
from typing import NamedTuple

import trustme


class Certificate(NamedTuple):
    """Files."""

    own: Path
    """With its key."""
    authority: Path


def make_certificate(folder: Path) -> Certificate:
    """For 127.0.0.1."""
    certificate = Certificate(folder / "mock.pem", folder / "authority.pem")
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate.own))
    authority.cert_pem.write_to_path(str(certificate.authority))
    return certificate
