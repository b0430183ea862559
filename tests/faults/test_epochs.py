"""Two processes of a flow under Bytewax itself, one of which was busy once when its epoch should have ended."""

import json
import subprocess
import sys

import pytest

from console.processes.supervisor import free_addresses


def afterwards(how: str) -> list[dict[str, float]]:
    """What each of the two processes takes then, with nothing to do."""
    addresses = ";".join(free_addresses(2))
    command = [sys.executable, "-m", "tests.faults.epochs_process", how]
    processes = [
        subprocess.Popen([*command, str(number), addresses], stdout=subprocess.PIPE, text=True) for number in range(2)
    ]
    try:
        return [json.loads(process.communicate(timeout=60)[0].splitlines()[-1]) for process in processes]
    finally:
        for process in processes:
            process.kill()


@pytest.mark.slow
def test_in_step_neither_waits_for_the_other_at_the_cost_of_a_core_and_main_threads_sleep() -> None:
    alone = afterwards("alone")  # the control: left alone, one waits, from then on
    assert max(process["core"] for process in alone) > 0.25
    assert min(process["main_thread"] for process in alone) > 300
    for process in afterwards("in-step"):
        assert process["core"] < 0.12
        assert process["main_thread"] < 250
        assert process["asked"] > 35  # of 50: the thread that works is on time
