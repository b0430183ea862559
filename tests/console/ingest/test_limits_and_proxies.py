"""What the workspace file says about ingest: limits, and whose word about the client's address counts."""

from typing import Any

import pytest

from console.ingest.limits import IngestLimits
from flows.topics.interface import Topics
from model.workspace.settings import IngestConfig
from tests.kit.ingest import call, events, post, running_ingest


class TestProxies:
    @pytest.mark.parametrize(
        ("trusted", "ip"), [(["127.0.0.0/8"], "203.0.113.5"), (["10.0.0.0/8"], "127.0.0.1"), ([], "127.0.0.1")]
    )
    def test_the_ip_is_the_clients_where_the_proxy_is_trusted(
        self, topics: Topics, trusted: list[str], ip: str
    ) -> None:
        with running_ingest(topics, trusted_proxies=trusted) as url:
            item = call(context={"direct": True})
            assert post(url, item, "/v1/track", x_forwarded_for="1.2.3.4, 203.0.113.5").status_code == 200
        assert events(topics)[0][1]["context"]["ip"] == ip


class TestLimits:
    def test_those_of_the_workspace_are_segments_unless_it_says_otherwise(self) -> None:
        assert IngestLimits.of(IngestConfig()) == IngestLimits()

    def test_larger_requests_batches_and_events_are_taken_where_the_workspace_says_so(self, topics: Topics) -> None:
        config = IngestConfig(max_request_bytes=1_000_000, max_items=3_000, max_event_bytes=100_000)
        with running_ingest(topics, IngestLimits.of(config)) as url:
            assert post(url, {"batch": [call(properties={"a": "x" * 6_000})] * 150}).json() == {"success": True}
            assert post(url, {"batch": [call()] * 2_900}).json() == {"success": True}
            assert post(url, call(properties={"a": "x" * 90_000}), "/v1/track").json() == {"success": True}

    @pytest.mark.parametrize(
        ("limit", "config", "body"),
        [
            (
                "ingest.max_request_bytes",
                {"max_request_bytes": 2_000},
                {"batch": [call(properties={"a": "x" * 2_000})]},
            ),
            ("ingest.max_items", {"max_items": 3}, {"batch": [call()] * 4}),
            ("ingest.max_event_bytes", {"max_event_bytes": 1_500}, {"batch": [call(properties={"a": "x" * 2_000})]}),
        ],
    )
    def test_a_refusal_names_the_setting_and_its_value(
        self, topics: Topics, limit: str, config: dict[str, int], body: Any
    ) -> None:
        with running_ingest(topics, IngestLimits.of(IngestConfig.model_validate(config))) as url:
            answer = post(url, body)
        assert answer.status_code in {400, 413}
        assert limit in answer.json()["message"]
        assert f"{[*config.values()][0]:,}" in answer.json()["message"]
