"""Why TLS failed: looked for among an error's causes, which may go round in a circle."""

import ssl

import pytest

from core.broker.tls import why_tls_failed


def refused() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("refused")
    error.verify_message = "self-signed certificate"
    return error


def test_a_refused_certificate_is_found_below_other_errors() -> None:
    error = ConnectionError("no connection")
    error.__cause__ = OSError("broken")
    error.__cause__.__context__ = refused()
    assert "RABBIT_MQ_CA: self-signed certificate" in (why_tls_failed(error) or "")


@pytest.mark.timeout(5)
def test_causes_in_a_circle_are_read_once() -> None:
    """aiormq raises one stored exception again and again; it froze a whole API process."""
    error, cause = ConnectionError("no connection"), OSError("broken")
    error.__cause__, cause.__context__ = cause, error
    assert why_tls_failed(error) is None
