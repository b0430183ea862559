"""A proxy that ends TLS, as phones demand it: bytes go on as they are. And Java's trust in its certificate."""

import asyncio
import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from tests.sdks.installing import tool

PASSWORD = "changeit"


@contextmanager
def tls_proxy(port: int, authority: trustme.CA) -> Iterator[int]:
    """Serve a port of this machine over TLS; gives the port to call."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(asyncio.CancelledError):  # the end of the test
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer), return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def java_trust(authority: trustme.CA, directory: Path) -> list[str]:
    """Options that make a Java program trust an authority. Raises `ToolMissing`."""
    certificate, store = directory / "authority.pem", directory / "trust.p12"
    authority.cert_pem.write_to_path(str(certificate))
    names = ["-importcert", "-noprompt", "-alias", "tests", "-file", str(certificate), "-keystore", str(store)]
    command = [tool("keytool", "default-jre-headless"), *names, "-storepass", PASSWORD, "-storetype", "PKCS12"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return [f"-Djavax.net.ssl.trustStore={store}", f"-Djavax.net.ssl.trustStorePassword={PASSWORD}"]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
