"""The store client on a real chDB: migrations, inserts with bad rows, views by name, who may open it."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from model.destinations.catalogue import ALL_REASONS
from model.recording.latency import latency_bucket
from sinks.clickhouse.schema import migrate
from sinks.clickhouse.store import Store, StoreError, StoreLocked, StoreUnavailable, open_store
from sinks.clickhouse.views import SQL, VIEWS
from tests.kit.chdb import TEN_YEARS_SECONDS
from tests.kit.latencies import quantile_ms
from tests.kit.recording import BASE_MS

FACT = {"kind": "received", "at": BASE_MS + 123, "received_at": BASE_MS, "log_offset": 1}


def rows_of(store: Store, sql: str) -> list[Any]:
    with store.client() as client:
        return list(client.query(sql).result_rows)


def test_migrating_twice_is_harmless_and_applies_nothing(store: Store) -> None:
    store.insert("facts", [FACT])
    tables = "SELECT name, create_table_query FROM system.tables WHERE database = 'waybill' ORDER BY name"
    before = rows_of(store, tables)
    assert migrate(store, {"facts": TEN_YEARS_SECONDS}, ALL_REASONS) == 0
    assert rows_of(store, tables) == before and rows_of(store, "SELECT count() FROM facts") == [(1,)]
    assert rows_of(store, "SELECT count() FROM reasons FINAL") == [(len(ALL_REASONS),)]


def test_retention_follows_the_workspace(store: Store) -> None:
    migrate(store, {"samples": 3 * 86_400}, ())
    [(statement,)] = rows_of(store, "SELECT create_table_query FROM system.tables WHERE name = 'samples'")
    assert "TTL toDateTime(received_at) + toIntervalSecond(259200)" in statement
    with pytest.raises(ValueError, match="tables are facts"):
        migrate(store, {"reasons": 5}, ())


def test_the_views_people_may_read_are_those_of_the_migrations(store: Store) -> None:
    created = rows_of(store, "SELECT name FROM system.tables WHERE database = 'waybill' AND engine = 'View'")
    assert {name for (name,) in created} == set(VIEWS) and len(VIEWS) > 8
    assert sorted(path.name for path in SQL.glob("*.sql"))[0].startswith("001_")


def test_views_are_stored_inlined_and_replaced_when_they_differ(store: Store) -> None:
    query = "SELECT create_table_query FROM system.tables WHERE database = 'waybill' AND name = 'banners'"
    [(kept,)] = rows_of(store, query)
    assert "watermarks" in kept and not any(f"{view}(" in kept for view in VIEWS)
    with store.client() as client:
        client.command("CREATE OR REPLACE VIEW banners AS SELECT 1 AS one")  # as another release may have made it
        client.command("CREATE VIEW gone AS SELECT 1 AS one COMMENT 'inlined from sql/, 0123456789abcdef'")
        client.command("CREATE VIEW of_people AS SELECT 1 AS one")
    assert migrate(store, {}, ()) == 0
    assert rows_of(store, query) == [(kept,)]
    names = rows_of(store, "SELECT name FROM system.tables WHERE name IN ('gone', 'of_people')")
    assert names == [("of_people",)]


def test_times_go_in_and_come_out_as_unix_ms(store: Store) -> None:
    assert store.insert("facts", [FACT | {"message_id": "m", "routes": (("d", "crm", "x"),)}]) == []
    [received, routed] = store.view("event_trace", message_id="m")
    assert (received["at"], routed["at"], routed["delivery_id"]) == (BASE_MS, BASE_MS + 123, "d")


def test_bad_rows_are_given_back_and_cost_their_neighbours_nothing(store: Store) -> None:
    bad = [
        FACT | {"log_offset": 1_000, "no_such_field": 1},
        FACT | {"log_offset": 1_001, "http_status": "teapot"},
        FACT | {"log_offset": 1_002, "at": -1},
        FACT | {"log_offset": 1_003, "at": BASE_MS * 1_000},
        FACT | {"log_offset": 1_004, "message": "\ud800"},
        FACT | {"log_offset": 1_005, "events_offset": 10**30},
        FACT | {"log_offset": 1_006, "routes": "all"},
        FACT | {"log_offset": 1_007, "at": "yesterday"},
    ]
    good = [FACT | {"log_offset": offset} for offset in range(100)]
    refused = store.insert("facts", [*good[:50], *bad[:4], *good[50:], *bad[4:]])
    assert sorted(row.row["log_offset"] for row in refused) == list(range(1_000, 1_008))
    assert all(row.reason for row in refused)
    assert rows_of(store, "SELECT count() FROM facts FINAL") == [(100,)]


def test_a_refusal_does_not_repeat_what_people_sent(store: Store) -> None:
    [refused] = store.insert("facts", [FACT | {"message": "secret-token", "http_status": "secret-status"}])
    assert "http_status" in refused.reason and "secret" not in refused.reason


def test_seconds_in_a_column_of_minutes_are_told_from_milliseconds(store: Store) -> None:
    [refused] = store.insert("minutes", [{"minute": BASE_MS, "append_minute": BASE_MS // 1000}])
    assert "Unix seconds" in refused.reason


def test_a_table_that_is_missing_is_no_reason_to_refuse_rows(store: Store) -> None:
    with pytest.raises(StoreError, match="waybill migrate"):
        store.insert("no_such_table", [FACT])


def test_views_take_only_their_own_parameters(store: Store) -> None:
    with pytest.raises(ValueError, match="no view"):
        store.view("facts; DROP TABLE facts")
    with pytest.raises(ValueError, match="no parameter colour"):
        store.view("balance", from_ms=0, to_ms=1, colour="red")
    with pytest.raises(ValueError, match="needs from_ms, to_ms"):
        store.view("balance")
    with pytest.raises(ValueError, match="milliseconds"):
        store.view("balance", from_ms=-1, to_ms=1)


@pytest.mark.parametrize("hostile", ["' OR 1=1 --", "\\", "\\' OR '", "{source:String}", "\x00\n\t", "é\u2028", "%s"])
def test_parameters_are_values_and_never_sql(store: Store, hostile: str) -> None:
    store.insert("facts", [FACT | {"message_id": hostile}, FACT | {"message_id": "other", "log_offset": 2}])
    assert len(store.view("event_trace", message_id=hostile)) == 1
    assert store.view("balance", from_ms=0, to_ms=BASE_MS + 1, source=hostile, destination=hostile) == []


def test_clickhouse_ranks_as_model_latency_does(store: Store) -> None:
    for n in (1, 2, 19, 20, 21, 39, 40, 99, 100, 101, 1_000):
        counts = {latency_bucket(ms): 1 for ms in range(1, 3 * n, 3)}
        total = sum(counts.values())
        keys, q = sorted(counts), 0.95
        [(index,)] = rows_of(
            store, f"SELECT arrayReduce('quantilesExactWeighted({q})', {keys}, arrayMap(x -> toUInt64(1), {keys}))[1]"
        )
        assert index == keys[ceil(q * total) - 1]
        row = {"minute": BASE_MS // 1000, "append_minute": BASE_MS // 1000 + n, "status": "delivered", "count": total}
        store.insert("minute_totals", [row | {"destination": f"d{n}", "latency": {str(key): 1 for key in keys}}])
        [metrics] = store.view("delivery_metrics", from_ms=BASE_MS, to_ms=BASE_MS + 1, destination=f"d{n}")
        for name, level in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            assert metrics[f"{name}_latency_ms"] == quantile_ms(counts, level), (n, name)


def test_threads_use_one_store_at_the_same_time(store: Store) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(5):
                assert store.insert("facts", [FACT | {"log_offset": number * 100 + step}]) == []
                store.view("freshness")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert rows_of(store, "SELECT count() FROM facts FINAL") == [(20,)]


def test_a_second_process_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    directory = tmp_path / "locked"
    holder = (
        "import sys; from sinks.clickhouse.store import open_store; "
        f"store = open_store('chdb://{directory}'); print('open', flush=True); sys.stdin.read()"
    )
    asker = (
        "from sinks.clickhouse.store import StoreLocked, open_store\n"
        f"try: open_store('chdb://{directory}')\n"
        "except StoreLocked as error: print(error.pid, error)\n"
    )
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"open\n"
        answer = subprocess.run([sys.executable, "-c", asker], capture_output=True, text=True, check=True).stdout
        process.stdin.close()
    assert answer.startswith(f"{process.pid} chDB in {directory} is in use by process {process.pid}")
    assert directory.stat().st_mode & 0o777 == 0o700


def test_another_directory_in_the_same_process_is_a_clear_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="another chDB directory") as caught:
        open_store(f"chdb://{tmp_path}/other")
    assert not isinstance(caught.value, StoreLocked | StoreUnavailable)


@pytest.mark.parametrize("url", ["", "chdb:///", "chdb://host/x", "sqlite:///x", "http://", "/var/lib"])
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="must be chdb:///directory or http"):
        open_store(url)


@pytest.fixture
def broken_server() -> Iterator[str]:
    class Broken(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_error(500, "out of order")

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://reader:top-secret@127.0.0.1:{server.server_port}/waybill"
        server.shutdown()
        thread.join()


def test_a_server_in_trouble_is_unavailable_and_the_password_is_not_told(broken_server: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        open_store(broken_server)
    assert "127.0.0.1" in str(caught.value) and "top-secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_unavailable(broken_server: str) -> None:
    with pytest.raises(StoreUnavailable, match="ClickHouse at 127.0.0.1:1"):
        open_store("http://127.0.0.1:1/waybill")
