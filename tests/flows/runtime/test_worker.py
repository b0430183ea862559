from argparse import Namespace
from datetime import timedelta
from pathlib import Path

import pytest

from flows.engine.epochs import EPOCH
from flows.runtime.worker import InvalidArguments, check


def arguments(recovery: Path | None, workers: int | None = None, epoch: timedelta = EPOCH) -> Namespace:
    return Namespace(recovery_directory=recovery, workers_per_process=workers, snapshot_interval=epoch)


def test_without_a_recovery_directory_nothing_would_be_written() -> None:
    with pytest.raises(InvalidArguments, match="-r data/recovery/delivery -s 1 -b 0"):
        check(arguments(None), "delivery", Path("data"))


def test_another_directory_than_the_data_directory_s_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="give `-r data/recovery/delivery"):
        check(arguments(Path("elsewhere")), "delivery", Path("data"))


def test_several_workers_in_a_process_are_refused() -> None:
    with pytest.raises(InvalidArguments, match="more processes"):
        check(arguments(Path("data/recovery/delivery"), 2), "delivery", Path("data"))


def test_epochs_of_another_length_are_refused() -> None:
    with pytest.raises(InvalidArguments, match="give `-s 1`"):
        check(arguments(Path("data/recovery/delivery"), epoch=timedelta(seconds=10)), "delivery", Path("data"))


def test_the_right_arguments_are_taken_however_the_directory_is_written() -> None:
    check(arguments(Path("data/recovery/delivery").absolute(), 1), "delivery", Path("data"))
