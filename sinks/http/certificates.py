"""Certificate authorities: those of the system, and those that a deployment trusts besides them."""

import re
import ssl

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def tls_context(ca_pem: bytes) -> ssl.SSLContext:
    """Make the TLS settings of calls. ``ca_pem``: more certificates to trust, with any text around them."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_pem:
        context.load_verify_locations(cadata=_certificates(ca_pem))
    return context


def usable(pem: bytes) -> bool:
    """Whether there are certificates, and all of them can be read."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=_certificates(pem))
    except (ssl.SSLError, ValueError):
        return False
    return True


def _certificates(pem: bytes) -> str:
    return "\n".join(found[0].decode("ascii") for found in _CERTIFICATE.finditer(pem))
