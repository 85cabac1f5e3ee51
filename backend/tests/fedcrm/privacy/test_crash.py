"""Real processes on one ledger, killed at any moment with SIGKILL."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fedcrm.privacy import AttemptCap, GaussianRelease, Ledger, NoisyAnswers

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CHARGES_THAT_FIT = 600

# Charges in a loop until the budget is spent; says so on stdout only after each charge has returned. Every third
# request is asked twice, as a recovering participant would.
WORKER = """
import math, sys
from fedcrm.errors import BudgetExceeded
from fedcrm.privacy import GaussianRelease, Ledger
place, name = sys.argv[1:3]
ledger = Ledger.open(place)
mu_squared = ledger.budget("t").learning_mu ** 2 / float(sys.argv[3])
event = GaussianRelease(1 / math.sqrt(mu_squared), 1, 64.2, 100, "round")
print("ready", flush=True)
i = 0
while True:
    key = f"{name}/{i}"
    try:
        receipt = ledger.charge(event, training="t", key=key)
        if i % 3 == 0:
            again = ledger.charge(event, training="t", key=key)
            assert again.repeated and again.charge == receipt.charge
    except BudgetExceeded:
        print("spent", flush=True)
        break
    print(key, receipt.charge.sequence, receipt.charge.hash, flush=True)
    i += 1
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def rest_of(worker: subprocess.Popen[str]) -> str:
    """What a process printed after the lines read so far (`communicate` would lose what readline buffered)."""
    assert worker.stdout is not None
    output = worker.stdout.read()
    worker.wait(60)
    return output


def test_processes_that_are_killed_while_charging_leave_a_ledger_that_holds(ledger, place):
    chance = random.Random(2026)
    printed: list[list[str]] = []
    kills = 0
    for generation in range(4):
        workers = [start(WORKER, place, f"{generation}-{w}", str(CHARGES_THAT_FIT)) for w in range(3)]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            time.sleep(chance.uniform(0.0, 0.08))
            worker.send_signal(signal.SIGKILL)
            kills += 1
        for worker in workers:
            # The last line may have been cut off by the kill.
            output = rest_of(worker)
            printed += [line.split() for line in output.split("\n")[:-1] if line != "spent"]
    before = len(ledger)
    assert len(printed) <= before <= len(printed) + kills  # at most the charge in hand was not yet reported
    # Those that are left alone run into the limit, together, exactly.
    workers = [start(WORKER, place, f"last-{w}", str(CHARGES_THAT_FIT)) for w in range(3)]
    for worker in workers:
        output, _ = worker.communicate(timeout=120)
        lines = output.splitlines()
        assert lines[-1] == "spent"
        printed += [line.split() for line in lines[1:-1]]
    ledger.verify()
    charges = {charge.key: charge for charge in ledger}
    assert len(charges) == CHARGES_THAT_FIT
    assert ledger.spent("t").cost.mu_squared == pytest.approx(ledger.budget("t").learning_mu ** 2)
    assert ledger.spent().epsilon <= 8.0
    for key, sequence, digest in printed:
        assert (charges[key].sequence, charges[key].hash) == (int(sequence), digest)
    assert [charge.sequence for charge in ledger] == list(range(3, CHARGES_THAT_FIT + 3))
    assert Ledger.open(place).verify() == ledger.verify()


CREATOR = """
import sys
from fedcrm.errors import SettingsError
from fedcrm.privacy import Ledger
print("ready", flush=True)
sys.stdin.readline()
try:
    Ledger.create(sys.argv[1], organisation="Alpha", epsilon_budget=8.0)
    print("created", flush=True)
except SettingsError:
    print("was there", flush=True)
"""


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_ledger_killed_while_it_is_created_is_either_there_or_not(place):
    chance = random.Random(7)
    for _ in range(5):
        worker = start(CREATOR, place)
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdout.readline()
        worker.stdin.write("\n")
        worker.stdin.flush()
        time.sleep(chance.uniform(0.0, 0.04))
        worker.send_signal(signal.SIGKILL)
        output = rest_of(worker)
        if output.startswith(("created", "was")):
            Ledger.open(place).verify()
            for file in Path(place).parent.glob("node.sqlite*"):
                file.unlink()
    # Whatever the last one left behind, a ledger can be made of it, or is one.
    worker = start(CREATOR, place)
    assert "created" in worker.communicate(input="\n", timeout=60)[0] or Ledger.open(place).verify().sequence == 1


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_processes_that_create_at_once_make_one_ledger(place):
    workers = [start(CREATOR, place) for _ in range(4)]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    answers = [worker.communicate(input="\n", timeout=60)[0].strip() for worker in workers]
    assert sorted(answers) == ["created", "was there", "was there", "was there"]
    assert Ledger.open(place).verify().sequence == 1


# Answers rounds one after the other; killed anywhere between the charge and the message.
ANSWERER = """
import math, sys
import numpy as np
from fedcrm.privacy import GaussianRelease, Ledger, NoisyAnswers, release_once, rounded_gaussian
place, first = sys.argv[1], int(sys.argv[2])
ledger = Ledger.open(place)
answers = NoisyAnswers(ledger.database, bytes(32))
print("ready", flush=True)
for i in range(first, first + 1000):
    event = GaussianRelease(100.0, 1, 64.2, 50, "round")
    vector = release_once(ledger, answers, training="t", round_name=str(i), key=f"request {i}", event=event,
                          draw=lambda: rounded_gaussian(64.2 * 100, 50))
    print(i, *vector.tolist(), flush=True)
"""


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_an_answer_that_left_is_the_answer_after_every_crash_and_is_paid_once(ledger, place):
    chance = random.Random(5)
    sent: dict[str, list[str]] = {}
    first = 0
    for _ in range(6):
        worker = start(ANSWERER, place, str(first))
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.0, 0.1))
        worker.send_signal(signal.SIGKILL)
        output = rest_of(worker)
        for line in output.split("\n")[:-1]:
            number, *vector = line.split()
            # A round that was answered before the crash is answered with the same integers after it.
            assert sent.setdefault(number, vector) == vector
        # Recovery goes back a little further than it must.
        first = max(0, len(sent) - 2)
    assert len(sent) > 10
    ledger.verify()
    assert len(ledger) - len(sent) in (0, 1)  # at most one charge whose answer never left
    answers = NoisyAnswers(ledger.database, bytes(32))
    for number, vector in sent.items():
        kept = answers.get(f"request {number}")
        assert kept is not None
        assert [str(x) for x in kept.tolist()] == vector


ASKER = """
import sys
from fedcrm.errors import TrainingStopped
from fedcrm.privacy import AttemptCap, Database
cap = AttemptCap(Database.open(sys.argv[1]), per_round=20)
admitted = 0
try:
    for i in range(100):
        cap.admit("t", "1", f"{sys.argv[2]}/{i}", charges=True)
        admitted += 1
except TrainingStopped:
    print(admitted)
"""


def test_processes_share_a_cap(ledger, place):
    AttemptCap(ledger.database)  # makes the table
    workers = [start(ASKER, place, name) for name in "ab"]
    assert sum(int(worker.communicate(timeout=60)[0]) for worker in workers) == 20


def test_a_charge_by_another_process_is_seen_at_once(ledger, place):
    event = GaussianRelease(1.0, 1, 64.2, 100, "round")
    code = (
        "import sys; from fedcrm.privacy import *; l = Ledger.open(sys.argv[1]);"
        "l.charge(GaussianRelease(1.0, 1, 64.2, 100, 'round'), training='t', key='k')"
    )
    assert start(code, place).wait(60) == 0
    assert ledger.charge(event, training="t", key="k").repeated
