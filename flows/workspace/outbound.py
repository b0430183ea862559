"""How HTTP calls leave this machine: the workspace's proxy and its file of CA certificates."""

from pathlib import Path

from model.workspace.settings import DeliveryConfig
from sinks.http.certificates import usable
from sinks.http.engine import Outbound

CA_FILE_LIMIT_BYTES = 1024 * 1024


class CertificatesUnusable(ValueError):
    """The file of ``delivery.ca_file`` cannot be used; the text says why, ``remedy`` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def outbound_of(config: DeliveryConfig) -> Outbound:
    """Read the certificates. Raises `CertificatesUnusable`."""
    proxy_url = config.proxy.value if config.proxy is not None else ""
    return Outbound(proxy_url=proxy_url, ca_pem=b"" if config.ca_file is None else read_certificates(config.ca_file))


def read_certificates(path: str) -> bytes:
    """Read a file of certificates in PEM format. Raises `CertificatesUnusable`."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(CA_FILE_LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise CertificatesUnusable(f"the file cannot be read: {reason}", "Check the path and its permissions") from None
    if len(content) > CA_FILE_LIMIT_BYTES:
        message = f"the file is over {CA_FILE_LIMIT_BYTES} bytes"
        raise CertificatesUnusable(message, "Name a file that has only the certificates of your authorities")
    if not usable(content):
        message = "the file has no certificates in PEM format, or damaged ones"
        remedy = "Write them as -----BEGIN CERTIFICATE----- … -----END CERTIFICATE-----, one after another"
        raise CertificatesUnusable(message, remedy)
    return content
