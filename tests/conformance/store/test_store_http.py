"""The store over HTTP: who may do what, what is sent, and whose fault a failure is."""

import time
from typing import Any

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from flows.recording.replays import OutcomeKey, StoreLookup
from sinks.clickhouse.rows import describe
from sinks.clickhouse.store import Store, StoreError, StoreUnavailable, open_store
from tests.kit.clickhouse.process import ClickHouse
from tests.kit.clickhouse.protocol import USERS
from tests.kit.recording import BASE_MS

FACT = {"kind": "received", "at": BASE_MS + 123, "received_at": BASE_MS}
UNFORESEEN = {"code": 4711, "name": "BRAND_NEW_ERROR"}


def facts(count: int, first: int = 0, **more: Any) -> list[dict[str, Any]]:
    return [{**FACT, "log_offset": offset, **more} for offset in range(first, first + count)]


def stored(store: Store) -> list[int]:
    with store.client() as client:
        rows = client.query("SELECT log_offset FROM facts FINAL ORDER BY log_offset").result_rows
    return [offset for (offset,) in rows]


def test_a_password_with_any_characters_opens_the_store(store: Store, server: ClickHouse) -> None:
    url = server.url("writer")
    assert "wr%2Fte%40me" in url
    writer = open_store(url)
    assert writer.insert("facts", facts(1)) == []
    assert stored(store) == [0]


def test_a_wrong_password_is_told_with_the_remedy_and_not_repeated(server: ClickHouse) -> None:
    with pytest.raises(StoreUnavailable, match=r"AUTHENTICATION_FAILED.*password in store.url") as caught:
        open_store(f"http://writer:my-guess@127.0.0.1:{server.port}/waybill")
    assert "my-guess" not in str(caught.value)


def test_a_user_who_may_only_read_reads_and_writes_nothing(store: Store, server: ClickHouse) -> None:
    reader = open_store(server.url("reader"))
    assert len(reader.view("delivery_metrics", from_ms=0, to_ms=BASE_MS)) == 1
    with pytest.raises(StoreUnavailable, match="READONLY"):
        reader.insert("facts", facts(1))
    url = f"http://127.0.0.1:{server.port}/?database=waybill&readonly=0"
    answer = httpx.post(url, content="DROP TABLE facts", auth=("reader", USERS["reader"][0]), trust_env=False)
    assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR and "(READONLY)" in answer.text
    assert answer.headers["X-ClickHouse-Exception-Code"] == "164"
    assert stored(store) == []


def test_each_insert_asks_for_an_answer_after_it_is_written(store: Store, server: ClickHouse) -> None:
    store.insert("facts", facts(3))
    store.insert("watermarks", [{"shard": "0", "at": BASE_MS}])
    sent = server.inserts("facts") + server.inserts("watermarks")
    assert len(sent) >= 2
    assert {insert["settings"]["async_insert"] for insert in sent} == {"0"}


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip"])
def test_the_driver_and_the_server_compress_both_ways(store: Store, server: ClickHouse, encoding: str) -> None:
    client = clickhouse_connect.get_client(host="127.0.0.1", port=server.port, database="waybill", compress=encoding)
    client.insert("watermarks", [[f"shard {n}" * 50, n] for n in range(500)], column_names=["shard", "shards"])
    rows = client.query("SELECT shard FROM watermarks FINAL ORDER BY shards").result_rows
    assert [text for (text,) in rows] == [f"shard {n}" * 50 for n in range(500)]
    assert server.report()["statements"][-2]["encoding"] == encoding
    url = f"http://127.0.0.1:{server.port}/?enable_http_compression=1"
    with httpx.stream("POST", url, content="SELECT 1", headers={"Accept-Encoding": encoding}) as answer:
        assert answer.headers["Content-Encoding"] == encoding


def test_one_refused_row_among_many_fails_alone_within_a_few_requests(store: Store, server: ClickHouse) -> None:
    before = len(server.inserts("facts"))
    rows = facts(1_000)
    rows[637]["events_offset"] = "seven"
    refused = store.insert("facts", rows)
    assert [row.row["log_offset"] for row in refused] == [637]
    assert stored(store) == [offset for offset in range(1_000) if offset != 637]
    assert len(server.inserts("facts")) - before <= 2 * 10 + 1


def test_rows_with_an_unforeseen_error_are_given_back_once_the_store_has_shown_to_be_well(
    store: Store, server: ClickHouse
) -> None:
    assert store.insert("facts", facts(3)) == []
    server.order(refuse={"text": "poison", **UNFORESEEN})
    refused = store.insert("facts", [*facts(50, 100), *facts(1, 150, message="poison"), *facts(50, 151)])
    assert [(row.row["log_offset"], row.reason) for row in refused] == [
        (150, "BRAND_NEW_ERROR (ClickHouse error 4711)")
    ]
    assert stored(store) == [0, 1, 2, *range(100, 150), *range(151, 201)]
    [alone] = store.insert("facts", facts(1, 300, message="poison"))
    assert alone.row["log_offset"] == 300


def test_no_row_is_given_up_for_an_unforeseen_error_of_a_store_in_trouble(store: Store, server: ClickHouse) -> None:
    store.insert("facts", facts(3))
    server.order(refuse={"text": "", **UNFORESEEN})
    for rows in (facts(1, 10), facts(100, 10)):
        with pytest.raises(StoreUnavailable, match="BRAND_NEW_ERROR"):
            store.insert("facts", rows)
    server.order()
    assert store.insert("facts", facts(100, 10)) == []
    assert stored(store) == [0, 1, 2, *range(10, 110)]


def test_a_row_that_was_first_is_not_given_up_for_an_unforeseen_error(store: Store, server: ClickHouse) -> None:
    new = open_store(server.url())
    server.order(refuse={"text": "poison", **UNFORESEEN})
    with pytest.raises(StoreUnavailable):
        new.insert("facts", facts(1, message="poison"))


def test_known_trouble_of_the_store_costs_one_request_and_no_row(store: Store, server: ClickHouse) -> None:
    store.insert("facts", facts(1))
    server.order(refuse={"text": "poison", "code": 252, "name": "TOO_MANY_PARTS"})
    before = len(server.inserts("facts"))
    with pytest.raises(StoreUnavailable, match="TOO_MANY_PARTS"):
        store.insert("facts", facts(100, message="poison"))
    assert len(server.inserts("facts")) == before + 1


@pytest.mark.parametrize("fault", ["reset", "500", "502", "503", "lost"])
def test_an_insert_without_an_answer_may_be_sent_again_and_counts_once(
    store: Store, server: ClickHouse, fault: str
) -> None:
    server.order(**{fault: 10})  # the driver tries some of them twice by itself
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{server.port}"):
        store.insert("facts", facts(20))
    server.order()
    written = stored(store)
    assert written == (list(range(20)) if fault == "lost" else [])
    assert store.insert("facts", facts(20)) == []
    assert stored(store) == list(range(20))


@pytest.mark.parametrize("fault", ["reset", "500", "502", "503", "cut"])
def test_a_view_without_a_whole_answer_is_unavailable_or_asked_again(
    store: Store, server: ClickHouse, fault: str
) -> None:
    store.insert("facts", facts(300, message_id="m", message="x" * 100))
    server.order(**{fault: 10})
    with pytest.raises(StoreUnavailable):
        store.view("event_trace", message_id="m")
    server.order(**{fault: 1})
    try:
        assert len(store.view("event_trace", message_id="m")) == 300
    except StoreUnavailable:
        assert len(store.view("event_trace", message_id="m")) == 300


def test_a_server_that_hangs_is_given_up_after_the_time_limit(store: Store, server: ClickHouse) -> None:
    hasty = store.with_timeout(1)
    hasty.insert("facts", facts(1))
    server.order(hang=True)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        hasty.insert("facts", facts(1))
    with pytest.raises(StoreUnavailable):
        hasty.view("freshness")
    assert time.monotonic() - started < 10
    server.order()
    assert hasty.insert("facts", facts(1)) == []
    hasty.close()


def test_a_column_that_is_missing_names_the_remedy_and_loses_no_row(store: Store) -> None:
    rows = facts(3, colour_of_the_day="red")
    with pytest.raises(
        StoreError, match="no column colour_of_the_day; run `waybill up` or `waybill migrate`"
    ) as caught:
        store.insert("facts", rows)
    assert not isinstance(caught.value, StoreUnavailable)
    with store.client() as client:
        client.command("ALTER TABLE facts ADD COLUMN colour_of_the_day String")
    try:
        assert store.insert("facts", rows) == []
    finally:
        with store.client() as client:
            client.command("ALTER TABLE facts DROP COLUMN colour_of_the_day")


def test_a_view_or_a_column_of_another_version_names_the_remedy(store: Store) -> None:
    for sql in ("SELECT * FROM no_such_view(a = 1)", "SELECT no_such_column FROM facts", "SELECT * FROM no_such.table"):
        with pytest.raises(StoreError, match="waybill migrate") as caught, store.client() as client:
            client.query(sql)
        assert not isinstance(caught.value, StoreUnavailable)


def test_recording_looks_up_all_of_a_full_batch_at_once(store: Store) -> None:
    outcome = {**FACT, "kind": "outcome", "destination": "crm", "state": "delivered"}
    store.insert("facts", [{**outcome, "log_offset": n, "delivery_id": f"{n:032x}"} for n in range(2_000)])
    keys = [OutcomeKey("crm", BASE_MS, f"{n:032x}") for n in range(3_000)]
    found = StoreLookup(store).outcomes(keys, log_partition=0, before_offset=1_500)
    assert found.keys() == {f"{n:032x}" for n in range(1_500)}


def test_an_error_without_a_name_does_not_repeat_what_people_sent() -> None:
    error = DatabaseError("Code: 27. DB::Exception: Cannot parse before: 'secret-token'", code=27)
    assert describe(error) == "ClickHouse error 27"
