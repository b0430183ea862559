"""Certificate authorities that a deployment trusts besides those of the system."""

import re
import ssl

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def certificates_of(pem: bytes) -> tuple[bytes, ...]:
    """Split a file of certificates."""
    return tuple(found[0] + b"\n" for found in _CERTIFICATE.finditer(pem))


def usable(pem: bytes) -> bool:
    """Whether there are certificates, and both HTTP engines can read all of them."""
    from pyreqwest.client import ClientBuilder  # here: a workspace that names no file is checked without it

    certificates = certificates_of(pem)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=b"".join(certificates).decode("ascii"))
        for certificate in certificates:
            ClientBuilder().add_root_certificate_pem(certificate).build()
    except (ssl.SSLError, ValueError):
        return False
    return bool(certificates)
