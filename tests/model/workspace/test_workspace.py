"""The workspace file: what is read, what is refused and where, and what never shows."""

import json
from ipaddress import IPv6Network
from pathlib import Path

import pytest

from console.commands.check import CheckResult, check_file, to_json
from model.config.problems import DiagnosticSeverity, WorkspaceInvalid
from model.destinations.webhook import WebhookDestination
from model.redaction.detectors import looks_like_credential
from model.workspace.workspace import Workspace, workspace_schema_text
from tests.kit.workspace_sample import ENVIRON, SECRET, SHOP, changed, only, problems, read, valid

ROOT = Path(__file__).parents[3]


def crm_of(workspace: Workspace) -> WebhookDestination:
    crm = workspace.http_destinations()["crm"]
    assert isinstance(crm, WebhookDestination)
    return crm


class TestReading:
    def test_a_valid_file_becomes_a_workspace_with_defaults(self) -> None:
        workspace = valid(SHOP)
        assert [source.id for source in workspace.sources] == ["web", "app"]
        crm = crm_of(workspace)
        assert (crm.method, crm.timeout_seconds, crm.concurrency, crm.enabled) == ("PUT", 2.0, 64, True)
        assert workspace.topics.partitions == 2 and workspace.topics.url is None
        assert workspace.delivery.allow_addresses[0] == IPv6Network("::1/128")
        assert workspace.retention.events_seconds == 7 * 86_400 and workspace.retention.store.hours_days == 400

    def test_the_retry_schedule_is_in_milliseconds(self) -> None:
        policy = valid(SHOP).delivery.retry_policy()
        assert (policy.attempts, policy.window_ms, policy.first_wait_ms, policy.max_wait_ms) == (
            10,
            14_400_000,
            500,
            3_600_000,
        )

    def test_real_values_come_from_the_environment(self) -> None:
        workspace = valid(SHOP)
        crm = crm_of(workspace)
        assert crm.url.value == "https://crm.example/hooks/T0/B0/long-hook-path"
        assert {name: value.value for name, value in crm.headers.items()} == {
            "Authorization": f"Bearer {SECRET}",
            "X-Team": "growth",
        }
        assert {key: source.id for key, source in workspace.sources_by_write_key().items()} == {
            "web-key": "web",
            "web-key-2": "web",
            "app-key": "app",
        }

    def test_the_starter_file_is_valid_and_names_the_published_schema(self) -> None:
        result = check_file(ROOT / "workspace.yaml", {})
        assert result.problems == ()
        assert result.workspace is not None and result.workspace.sources_by_write_key()["demo-write-key"].id == "web"
        first_line = (ROOT / "workspace.yaml").read_text().splitlines()[0]
        assert first_line == "# yaml-language-server: $schema=./workspace.schema.json"

    def test_the_published_schema_is_what_the_model_says(self) -> None:
        regenerate = "from model.workspace.workspace import workspace_schema_text as t; print(t(), end='')"
        assert (ROOT / "workspace.schema.json").read_text() == workspace_schema_text(), f'run: python -c "{regenerate}"'

    def test_storage_and_device_mode_are_not_reportable_and_say_why(self) -> None:
        reasons = {c.destination: reason for c, reason in valid(SHOP).not_reportable()}
        assert set(reasons) == {"lake", "ads"}
        assert "s3" in reasons["lake"] and "device mode" in reasons["ads"]

    def test_quoted_yes_and_unquoted_yes_are_both_text(self) -> None:
        assert valid(changed("name: Web shop", "name: yes")).sources[0].name == "yes"

    def test_a_byte_order_mark_and_windows_line_ends_are_accepted(self) -> None:
        assert read(b"\xef\xbb\xbf" + SHOP.replace("\n", "\r\n").encode()).workspace is not None


class TestSecrets:
    def test_secrets_are_in_nothing_people_are_shown(self) -> None:
        workspace = valid(SHOP)
        shown = [repr(workspace), str(workspace), str(workspace.model_dump()), workspace.model_dump_json()]
        shown.append(json.dumps(to_json(CheckResult("shop.yaml", workspace, ()))))
        shown += [f"{crm_of(workspace).url}", f"{crm_of(workspace).headers}"]
        for text in shown:
            assert SECRET not in text and ENVIRON["HOOK_PATH"] not in text and "app-key" not in text
        assert "${SHOP_TOKEN}" in repr(workspace)

    def test_secret_values_are_all_that_came_from_the_environment(self) -> None:
        store = "store: {url: 'http://me:${SHOP_TOKEN}@click.example:8123/waybill'}\n"
        assert valid(SHOP + store).secret_values() == {SECRET, ENVIRON["HOOK_PATH"], "app-key"}

    def test_values_too_short_to_hide_are_not_redacted_everywhere(self) -> None:
        reading = read(changed("X-Team: growth", "X-Team: ${TEAM}"), {**ENVIRON, "TEAM": "no"})
        assert "no" not in reading.valid().secret_values()

    @pytest.mark.parametrize(
        "header", ["Proxy-Authorization", "x-api-key", "Cookie", "X-Shop-Token", "client_secret", "DB-Password"]
    )
    def test_a_credential_written_in_the_file_is_refused_without_repeating_it(self, header: str) -> None:
        problem = only(changed("X-Team: growth", f"{header}: {SECRET}"))
        assert "${NAME}" in problem.remedy and problem.line == 15
        assert SECRET not in str(problem)

    @pytest.mark.parametrize("header", ["X-Team", "Content-Type", "X-Keyboard", "X-Author"])
    def test_ordinary_headers_may_be_written_out(self, header: str) -> None:
        assert not looks_like_credential(header)

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            (f"https://me:{SECRET}@ads.example/", "user name or password"),
            (f"https://ads.example/?api_key={SECRET}", "api_key"),
        ],
    )
    def test_a_credential_in_a_url_is_refused(self, url: str, words: str) -> None:
        problem = only(changed("url: https://ads.example/", f"url: {url}"))
        assert problem.path == "destinations[2].url" and words in problem.message
        assert SECRET not in str(problem)

    def test_a_store_password_written_in_the_file_is_refused(self) -> None:
        problem = only(SHOP + f"store: {{url: 'http://me:{SECRET}@click.example:8123/waybill'}}\n")
        assert problem.path == "store.url" and "password" in problem.message and SECRET not in str(problem)

    @pytest.mark.parametrize(
        ("reference", "words"),
        [
            ("${UNSET}", "UNSET is not set"),
            ("${EMPTY}", "EMPTY is empty"),
            ("${no way}", "does not start a"),
            ("${", "does not start a"),
        ],
    )
    def test_a_reference_that_cannot_be_resolved_says_its_place(self, reference: str, words: str) -> None:
        problem = only(changed("Bearer ${SHOP_TOKEN}", f"Bearer ${{SHOP_TOKEN}} {reference}"))
        assert (problem.line, problem.path) == (14, "destinations[0].headers.Authorization")
        assert words in problem.message

    def test_what_the_environment_holds_is_checked_and_never_quoted(self) -> None:
        for value in (f"{SECRET}\nX-Injected: 1", f"{SECRET}é", f"{SECRET} ", "x" * 9000):
            reading = read(SHOP, {**ENVIRON, "SHOP_TOKEN": value})
            assert [p.path for p in reading.problems] == ["destinations[0].headers.Authorization"]
            assert SECRET not in str(reading.problems[0])
        reading = read(changed("id: lake", "id: ${SHOP_TOKEN}"))
        assert SECRET not in "".join(map(str, reading.problems))

    def test_a_write_key_missing_from_the_environment_is_one_problem(self) -> None:
        problem = only(changed("[web-key, web-key-2]", "['${UNSET}']"))
        assert problem.path == "sources[0].write_keys[0]" and "UNSET is not set" in problem.message

    @pytest.mark.parametrize(
        ("url", "origin"),
        [
            ("https://ads.example:8443/T/secret-path?q=1", "https://ads.example:8443"),
            ("https://[${HOST}]/path", "https://[${HOST}]"),
            ("${WHOLE}", "${WHOLE}"),
            ("https://ads.example?q=1", "https://ads.example"),
        ],
    )
    def test_the_origin_shows_neither_path_nor_secret(self, url: str, origin: str) -> None:
        environ = {**ENVIRON, "HOST": "2001:db8::1", "WHOLE": "https://ads.example/hook"}
        workspace = read(changed("url: https://ads.example/", f"url: '{url}'"), environ).valid()
        assert workspace.http_destinations()["ads"].origin == origin

    def test_equal_write_keys_are_found_behind_two_variables(self) -> None:
        text = changed("[web-key, web-key-2]", "[web-key, '${OTHER_KEY}']")
        problem = only(text)
        assert problem.path == "sources[1].write_keys[0]" and "sources[0].write_keys[1]" in problem.message
        assert "app-key" not in str(problem)


class TestProblems:
    def test_everything_wrong_is_said_at_once_with_its_place(self) -> None:
        text = """\
version: 2
sources:
  - id: Web
    write_keys: []
  - id: app
    write_keys: [k]
    enabld: true
destinations:
  - id: crm
    type: webhook
    url: ftp://crm.example
    concurrency: many
  - id: crm
    type: carrier-pigeon
connections:
  - {source: apps, destination: crm}
  - {source: app, destination: crm, mode: cloudy}
  - {source: app, destination: crm}
ingest: {port: 70000}
delivery: {window_seconds: 604800}
"""
        found = {(problem.line, problem.path) for problem in problems(text)}
        assert found == {
            (1, "version"),
            (3, "sources[0].id"),
            (4, "sources[0].write_keys"),
            (7, "sources[1].enabld"),
            (11, "destinations[0].url"),
            (12, "destinations[0].concurrency"),
            (13, "destinations[1]"),
            (13, "destinations[1].id"),
            (16, "connections[0].source"),
            (17, "connections[1].mode"),
            (18, "connections[2]"),
            (19, "ingest.port"),
            (20, "delivery"),
        }

    def test_problems_are_sorted_and_carry_remedies_as_sentences(self) -> None:
        with pytest.raises(WorkspaceInvalid) as raised:
            read(changed("version: 1", "version: 2").replace("source: app,", "source: ap,")).valid()
        assert str(raised.value).splitlines() == [
            "shop.yaml:1:1: version: this value is not known. Write 1.",
            "shop.yaml:25:6: connections[2].source: there is no source 'ap'. Did you mean 'app'?",
        ]

    @pytest.mark.parametrize(
        ("old", "new", "path", "words"),
        [
            ("mode: device", "mod: device", "connections[2].mod", "Did you mean 'mode'?"),
            ("first_wait_seconds: 0.5", "frist_wait_seconds: 1", "delivery.frist_wait_seconds", "'first_wait_seconds'"),
            ("timeout_seconds: 2", "timeout: 2", "destinations[0].timeout", "'timeout_seconds'"),
            ("    type: s3", "    type: s3\n    url: https://a.example", "destinations[1].url", "not known here"),
            ("destination: ads,", "destination: adds,", "connections[2].destination", "Did you mean 'ads'?"),
            ("timeout_seconds: 2", "timeout_seconds: '2'", "destinations[0].timeout_seconds", "number"),
            ("timeout_seconds: 2", "timeout_seconds: .inf", "destinations[0].timeout_seconds", "number"),
            ("timeout_seconds: 2", "timeout_seconds: 0", "destinations[0].timeout_seconds", "more than 0"),
            ("timeout_seconds: 2", "enabled: yes", "destinations[0].enabled", "true or false"),
            ("[web-key, web-key-2]", "web-key", "sources[0].write_keys", "list"),
            ("[web-key, web-key-2]", "[12345]", "sources[0].write_keys[0]", "quotes"),
            ("[web-key, web-key-2]", "['a:b']", "sources[0].write_keys[0]", "colon"),
            ("[web-key, web-key-2]", "[same, same]", "sources[0].write_keys[1]", "write_keys[0]"),
            ("[web-key, web-key-2]", "", "sources[0].write_keys", "list"),
            ("    url: https://ads.example/", "    name: Ads", "destinations[2].url", "missing"),
            ("https://ads.example/", "https:///hook", "destinations[2].url", "http or https"),
            ("https://ads.example/", "https://ads.example:99999/", "destinations[2].url", "http or https"),
            ("https://ads.example/", "'https://[::1'", "destinations[2].url", "http or https"),
            ("https://ads.example/", "https://ads.example/a b", "destinations[2].url", "spaces"),
            ("https://ads.example/", "https://ads.example/#top", "destinations[2].url", "fragment"),
            ("X-Team: growth", "'X Team': growth", "destinations[0].headers['X Team']", "header name"),
            ("X-Team: growth", "Content-Length: '3'", "destinations[0].headers.Content-Length", "itself"),
            (
                "X-Team: growth",
                "AUTHORIZATION: '${SHOP_TOKEN}'",
                "destinations[0].headers.AUTHORIZATION",
                "same header",
            ),
            ("10.0.0.0/8", "10.0.0.1/8", "delivery.allow_addresses[1]", "network"),
            ("10.0.0.0/8", "intranet", "delivery.allow_addresses[1]", "network"),
            ("id: lake", "id: crm", "destinations[1].id", "taken by destinations[0]"),
            ("name: Web shop", 'name: "a\\eb"', "sources[0].name", "not printable"),
        ],
    )
    def test_a_mistake_is_named_with_its_field_and_remedy(self, old: str, new: str, path: str, words: str) -> None:
        found = [problem for problem in problems(changed(old, new)) if problem.path == path]
        assert len(found) == 1, "\n".join(map(str, problems(changed(old, new))))
        assert words in str(found[0])
        assert found[0].line > 0

    @pytest.mark.parametrize(
        "section",
        [
            "topics: {url: 'amqp://broker:9092'}",
            "topics: {url: 'kafka://broker'}",
            "topics: {url: 'kafka://broker:9092/a/b'}",
            "topics: {url: 'kafka://user:secret@broker:9092'}",
            "topics: {url: 'sqlite:///'}",
            "store: {url: 'mysql://host/db'}",
            "store: {url: 'chdb://'}",
            "store: {url: 'http://'}",
        ],
    )
    def test_an_address_this_version_cannot_open_is_refused(self, section: str) -> None:
        problem = only(SHOP + section)
        assert problem.path == f"{section.partition(':')[0]}.url" and "Write" in problem.remedy

    @pytest.mark.parametrize(
        "url", ["chdb:///data/store", "http://click.example:8123/waybill", "https://click.example"]
    )
    def test_store_addresses(self, url: str) -> None:
        store = valid(SHOP + f"store: {{url: '{url}'}}\n").store
        assert store.url is not None and store.url.value == url

    def test_retries_must_outlive_their_window_by_a_day(self) -> None:
        window = "  window_seconds: 100000\n"
        assert valid(SHOP + window + "retention: {retries_seconds: 186400}\n")
        problem = only(SHOP + window + "retention: {retries_seconds: 186399}\n")
        assert "186400" in problem.remedy and problem.path == "retention.retries_seconds"

    def test_unconnected_parts_and_refused_addresses_are_warnings_only(self) -> None:
        text = SHOP.replace("  - {source: app, destination: ads, mode: device}\n", "").replace(
            "https://crm.example/hooks/${HOOK_PATH}", "http://localhost:9000/"
        )
        reading = read(text)
        assert reading.workspace is not None
        assert [(p.severity, p.path) for p in reading.problems] == [
            (DiagnosticSeverity.WARNING, "sources[1]"),
            (DiagnosticSeverity.WARNING, "destinations[0].url"),
            (DiagnosticSeverity.WARNING, "destinations[2]"),
        ]
