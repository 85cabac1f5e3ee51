"""What secure aggregation costs: CPU milliseconds and bytes by step, beside a plain sum and Paillier.

`rows(sizes, ns)` runs real attempts among n participants in this process. A participant's figures are medians
over the participants, the coordinator's are of the one attempt. The references are measured in the same run;
Paillier (2048 bits, by gmpy2) on a few encryptions, scaled by their number.

    python bench/secagg_bench.py            prints the rows as JSON
"""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import gmpy2
import numpy as np

from fedcrm.secagg import (
    AttemptId,
    AttemptTerms,
    CoordinatorAttempt,
    Identity,
    MemoryJournal,
    ParticipantAttempt,
    Roster,
    self_test,
)
from fedcrm.secagg.bfv import bfv_for
from fedcrm.secagg.fusion import fuse
from fedcrm.secagg.ring import PRODUCTION
from fedcrm.secagg.sampling import common_polynomial, smudging
from fedcrm.secagg.shares import deal, make_key

__all__ = ["ratios", "rows", "tables"]

T = TypeVar("T")
MAGNITUDE = 1 << 24
PAILLIER_BITS, PAILLIER_MEASURED = 2048, 8


def tables() -> dict[str, list[dict[str, Any]]]:
    """What `make bench` measures of it, by title."""
    measured = rows()
    return {"secure_aggregation": measured, "secure_aggregation_ratios": ratios(measured)}


def rows(sizes: Iterable[int] = (4096, 8192, 65_536), ns: Iterable[int] = (3, 9)) -> list[dict[str, Any]]:
    """One row a step: system, step, who ("participant", "coordinator", "all"), n, coordinates, cpu_ms, bytes."""
    self_test()
    result: list[dict[str, Any]] = []
    sizes = list(sizes)
    for n in ns:
        for size in sizes:
            result += _attempt(n, size)
            result += _plain_sum(n, size)
            result += _paillier(n, size)
    return result


def ratios(measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What secure aggregation costs beside the two extremes: no encryption at all, and Paillier's upload."""
    cpu = {(r["n"], r["coordinates"], r["system"].split()[0], r["step"]): r["cpu_ms"] for r in measured}
    return [
        {
            "n": n,
            "coordinates": coordinates,
            "attempt / plain sum": cpu[n, coordinates, "fedcrm.secagg", "whole attempt"] / plain,
            "Paillier upload / upload": cpu[n, coordinates, "Paillier", "upload"]
            / cpu[n, coordinates, "fedcrm.secagg", "upload"],
        }
        for (n, coordinates, system, step), plain in cpu.items()
        if (system, step) == ("numpy,", "add")
    ]


def _attempt(n: int, size: int) -> Iterator[dict[str, Any]]:
    coordinator = Identity.generate("coordinator")
    identities = [Identity.generate(f"organisation {k}") for k in range(n)]
    roster = Roster(coordinator.public, tuple(one.public for one in identities))
    terms = AttemptTerms(AttemptId("bench", 1, 1), roster, size, MAGNITUDE, b"request")
    bfv, parameters = bfv_for(PRODUCTION), PRODUCTION
    common = common_polynomial(b"bench", parameters)

    def row(step: str, who: str, cpu_ms: float, count: int) -> dict[str, Any]:
        return {
            "system": "fedcrm.secagg",
            "step": step,
            "who": who,
            "n": n,
            "coordinates": size,
            "cpu_ms": round(cpu_ms, 3),
            "bytes": count,
        }

    # What COMMIT is made of, apart; the attempt below measures it whole.
    keys = [_timed(lambda: make_key(common, bfv, os.urandom)) for _ in range(3)]
    yield row("keygen", "participant", _median(keys), 29 * parameters.degree)
    dealt = [
        _timed(lambda: deal(1, keys[0][0].secret, terms.chunks, n, terms.quorum, bfv, os.urandom)) for _ in range(3)
    ]
    yield row("deal", "participant", _median(dealt), terms.dealt_bytes)

    start = time.process_time()
    server = CoordinatorAttempt(coordinator, terms)
    clients = {one.name: ParticipantAttempt(one, roster, MemoryJournal()) for one in identities}
    rng = np.random.default_rng(0)
    values = {name: rng.integers(-MAGNITUDE, MAGNITUDE + 1, size, dtype=np.int64) for name in clients}

    def ask(message: bytes | dict[str, bytes]) -> tuple[dict[str, bytes], float]:
        each = message if isinstance(message, dict) else dict.fromkeys(clients, message)
        answers = {name: _timed(lambda name=name: clients[name].handle(each[name])) for name in clients}
        return {name: answer[0] for name, answer in answers.items()}, _median(answers.values())

    commits, commit_ms = ask(server.open())
    yield row("commit (keygen + deal + seal)", "participant", commit_ms, _largest(commits))
    reveals, reveal_ms = ask(server.request_reveals(commits))
    yield row("reveal", "participant", reveal_ms, _largest(reveals))
    deals, relay_ms = _timed(lambda: server.relay_deals(reveals))
    yield row("relay", "coordinator", relay_ms, sum(map(len, deals.values())))
    accepts, accept_ms = ask(deals)
    yield row("accept", "participant", accept_ms, _largest(deals))
    ask(server.manifest(accepts))
    uploads = {name: _timed(lambda name=name: clients[name].upload(values[name])) for name in clients}
    yield row("upload", "participant", _median(uploads.values()), _largest({k: v[0] for k, v in uploads.items()}))
    request, add_ms = _timed(lambda: server.request_decryption({name: one[0] for name, one in uploads.items()}))
    yield row("add", "coordinator", add_ms, len(request))
    partials, partial_ms = ask(request)
    yield row("partial", "participant", partial_ms, _largest(partials))
    opened, finish_ms = _timed(lambda: server.finish(partials))
    yield row("finish (check + fuse + decode)", "coordinator", finish_ms, 0)
    yield row("whole attempt", "all", 1e3 * (time.process_time() - start), 0)
    if not np.array_equal(opened.sums, sum(values.values())):
        raise SystemExit("the opened sum is not the plain sum: no figure here means anything")
    answers = {x: smudging(terms.chunks, parameters, os.urandom) for x in range(1, terms.quorum + 1)}
    yield row("fuse", "coordinator", _median([_timed(lambda: fuse(answers, terms.quorum, parameters))]), 0)


def _plain_sum(n: int, size: int) -> Iterator[dict[str, Any]]:
    vectors = np.random.default_rng(0).integers(-MAGNITUDE, MAGNITUDE, (n, size))
    timings = [_timed(lambda: vectors.sum(axis=0)) for _ in range(9)]
    yield {
        "system": "numpy, no encryption",
        "step": "add",
        "who": "coordinator",
        "n": n,
        "coordinates": size,
        "cpu_ms": round(_median(timings), 4),
        "bytes": 8 * size,
    }


def _paillier(n: int, size: int) -> Iterator[dict[str, Any]]:
    """One participant's upload: lanes of the same width in 2048-bit plaintexts. No threshold, no signature."""
    modulus = _prime(PAILLIER_BITS // 2) * _prime(PAILLIER_BITS // 2)
    width = (2 * MAGNITUDE * n).bit_length()
    lanes = (PAILLIER_BITS - 1) // width
    plain = (1 << width * lanes) - 1
    timings = [_timed(lambda: _paillier_encrypt(plain, modulus)) for _ in range(PAILLIER_MEASURED)]
    count = math.ceil(size / lanes)
    yield {
        "system": f"Paillier {PAILLIER_BITS} (gmpy2)",
        "step": "upload",
        "who": "participant",
        "n": n,
        "coordinates": size,
        "cpu_ms": round(_median(timings) * count, 1),
        "bytes": count * PAILLIER_BITS // 4,
        "note": f"{PAILLIER_MEASURED} of {count} encryptions measured, {lanes} lanes each, scaled",
    }


def _prime(bits: int) -> Any:
    drawn = int.from_bytes(os.urandom(bits // 8), "big")
    return gmpy2.next_prime(drawn | 3 << (bits - 2))  # the two highest bits, so that a product has twice the bits


def _paillier_encrypt(plain: int, modulus: Any) -> Any:
    """Paillier, "Public-Key Cryptosystems Based on Composite Degree Residuosity Classes" (1999), with g = n + 1."""
    square = modulus * modulus
    drawn = int.from_bytes(os.urandom(PAILLIER_BITS // 8), "big") % modulus
    return (1 + plain * modulus) * gmpy2.powmod(drawn, modulus, square) % square


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    result = work()
    return result, 1e3 * (time.process_time() - start)


def _median(timed: Iterable[tuple[Any, float]]) -> float:
    return statistics.median(milliseconds for _, milliseconds in timed)


def _largest(messages: dict[str, bytes]) -> int:
    return max(map(len, messages.values()))


if __name__ == "__main__":
    json.dump(rows(), sys.stdout, indent=1)
