"""A proxy and a certificate file in the workspace: what is wrong with them is said with its place."""

from pathlib import Path

import pytest
import trustme

from console.commands.check import check_file
from flows.workspace.loader import load_workspace, read_workspace_file
from flows.workspace.outbound import CertificatesUnusable, outbound_of
from model.config.problems import WorkspaceInvalid

ENVIRON = {"PROXY_PASSWORD": "s3cret-word"}
SOURCE = "sources: [{id: web, write_keys: [key-1]}]\n"


def workspace_file(tmp_path: Path, delivery: str) -> Path:
    path = tmp_path / "workspace.yaml"
    path.write_text(f"version: 1\n{SOURCE}delivery: {{{delivery}}}\n")
    return path


@pytest.mark.parametrize(
    "proxy",
    [
        "http://proxy.test:3128",
        "http://10.0.0.3:3128/",
        "http://[::1]:8080",
        "http://user:${PROXY_PASSWORD}@proxy.test",
    ],
)
def test_a_proxy_is_an_address_with_or_without_credentials(tmp_path: Path, proxy: str) -> None:
    workspace = load_workspace(workspace_file(tmp_path, f'proxy: "{proxy}"'), ENVIRON)
    assert outbound_of(workspace.delivery).proxy_url == proxy.replace("${PROXY_PASSWORD}", "s3cret-word")
    assert "s3cret-word" not in repr(workspace) + workspace.model_dump_json()
    assert ("s3cret-word" in workspace.secret_values()) is ("PASSWORD" in proxy)


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("proxy.test:3128", "no http proxy"),
        ("https://proxy.test", "no http proxy"),
        ("socks5://proxy.test", "no http proxy"),
        ("http://", "no http proxy"),
        ("http://proxy.test/path", "no http proxy"),
        ("http://proxy.test?x", "no http proxy"),
        ("http://proxy.test:99999", "no http proxy"),
        ("http://pr oxy.test", "no http proxy"),
        ("http://user:plain@proxy.test", "password is written"),
        ("http://user:${NOT_SET}@proxy.test", "NOT_SET"),
    ],
)
def test_what_is_no_proxy_is_refused_with_its_place(tmp_path: Path, proxy: str, words: str) -> None:
    (problem,) = read_workspace_file(workspace_file(tmp_path, f'proxy: "{proxy}"'), ENVIRON).problems[:1]
    assert problem.path == "delivery.proxy" and problem.line == 3 and problem.remedy
    assert words in problem.message


def test_certificates_are_read(tmp_path: Path) -> None:
    pem = b"# two of them\n" + trustme.CA().cert_pem.bytes() + trustme.CA().cert_pem.bytes()
    (tmp_path / "ca.pem").write_bytes(pem)
    path = workspace_file(tmp_path, f'ca_file: "{tmp_path}/ca.pem"')
    assert outbound_of(load_workspace(path, {}).delivery).ca_pem == pem
    assert check_file(path, {}).workspace is not None


DAMAGED = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"", "no certificates"),
        (b"hello", "no certificates"),
        (b"\xff\xfe\x00", "no certificates"),
        (DAMAGED, "damaged"),
        (trustme.CA().private_key_pem.bytes(), "no certificates"),
        (trustme.CA().cert_pem.bytes() + DAMAGED, "damaged"),
        (b"x" * 2_000_000, "over 1048576 bytes"),
    ],
    ids=["missing", "empty", "text", "bytes", "damaged", "a key", "one damaged", "huge"],
)
def test_a_file_that_cannot_be_used_is_named_by_check_and_at_the_start(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    path = workspace_file(tmp_path, f'ca_file: "{tmp_path}/ca.pem"')
    result = check_file(path, {})
    assert result.workspace is None
    (problem,) = [problem for problem in result.problems if problem.path == "delivery.ca_file"]
    assert words in problem.message and problem.remedy
    with pytest.raises(WorkspaceInvalid, match="ca_file"):
        load_workspace(path, {})


def test_a_directory_is_no_file_of_certificates(tmp_path: Path) -> None:
    path = workspace_file(tmp_path, f'ca_file: "{tmp_path}"')
    assert [problem.path for problem in read_workspace_file(path, {}).problems][-1:] == ["delivery.ca_file"]


def test_a_file_that_vanished_since_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
    workspace = load_workspace(workspace_file(tmp_path, f'ca_file: "{tmp_path}/ca.pem"'), {})
    (tmp_path / "ca.pem").unlink()
    with pytest.raises(CertificatesUnusable, match="cannot be read"):
        outbound_of(workspace.delivery)
