import pytest

from flows.engine.sharding import WorkerShare, process_of, shard_key

# Seen: where a flow of several processes got these keys.
OF_TWO = {"0": 1, "1": 1, "2": 1, "3": 1, "4": 0, "5": 0, "6": 1, "11": 0}
OF_THREE = {"0": 0, "1": 1, "2": 0, "3": 1, "4": 0, "5": 1, "6": 2, "8": 2}


def test_keys_are_where_bytewax_puts_them() -> None:
    assert {key: process_of(key, 2) for key in OF_TWO} == OF_TWO
    assert {key: process_of(key, 3) for key in OF_THREE} == OF_THREE


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("shards", [12, 24, 64])
def test_shards_spread_evenly(processes: int, shards: int) -> None:
    here = [WorkerShare(number, processes).shards_here(shards) for number in range(processes)]
    assert sorted(shard for part in here for shard in part) == list(range(shards))
    assert max(map(len, here)) - min(map(len, here)) <= 12 // processes


def test_the_first_shards_spread_too() -> None:
    assert [len(WorkerShare(number, 2).shards_here(4)) for number in range(2)] == [2, 2]
    assert [len(WorkerShare(number, 3).shards_here(3)) for number in range(3)] == [1, 1, 1]


def test_a_process_without_a_shard_uses_those_of_others() -> None:
    assert WorkerShare(3, 4).shards_here(2) == (0, 1)


def test_the_keys_of_shards_never_change() -> None:
    # Snapshots are kept by key: a change would leave behind what a shard held.
    assert [shard_key(shard) for shard in range(4)] == ["0.20", "1.15", "2.0", "3.59"]
