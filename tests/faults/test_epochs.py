"""Two processes of a flow under Bytewax itself, one of which was busy once when its epoch should have ended."""

import subprocess
import sys

import pytest

from console.supervisor import free_addresses


def shares_of_a_core(how: str) -> list[float]:
    """What each of the two processes takes afterwards, with nothing to do."""
    addresses = ";".join(free_addresses(2))
    command = [sys.executable, "-m", "tests.faults.epochs_process", how]
    processes = [
        subprocess.Popen([*command, str(number), addresses], stdout=subprocess.PIPE, text=True) for number in range(2)
    ]
    try:
        return [float(process.communicate(timeout=60)[0].split()[-1]) for process in processes]
    finally:
        for process in processes:
            process.kill()


@pytest.mark.slow
def test_in_step_neither_waits_for_the_other_at_the_cost_of_a_core() -> None:
    assert max(shares_of_a_core("alone")) > 0.25  # the control: left alone, one does, from then on
    assert max(shares_of_a_core("in-step")) < 0.15
