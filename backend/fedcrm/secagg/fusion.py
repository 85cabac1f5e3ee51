"""Answer, fuse, check: any quorum opens the aggregate, nobody opens an update.

Mouchet, Bertrand & Hubaux (eprint 2022/780), with one difference: smudging noise is shared in advance with the
key, so an answer d_i = s_i' * c1 + E_i' does not depend on who else answers. The answers are values of one
polynomial of degree t - 1 at the points 1..n: a Reed-Solomon code word. From t + 1 answers a wrong one shows,
from t + 2 it is located (Berlekamp & Welch, US patent 4,633,470, long expired), in general e from t + 2e.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fedcrm.errors import InconsistentAnswers, QuorumNotReached
from fedcrm.secagg.ring import Residues, RingParameters, add, combine, lagrange, multiply

__all__ = ["answer", "consistent", "fuse", "locate_liars"]


def answer(share: Residues, c1: Residues, parameters: RingParameters) -> Residues:
    """Partial decryption s' * c1 + E'.

    share: (1 + chunks, 4, degree), the sum of what all dealers dealt; c1: (chunks, 4, degree). Evaluation form.
    Deterministic. The noise is good for ONE c1: two answers under one share cancel it.
    """
    key = np.broadcast_to(share[0], c1.shape)
    return add(multiply(c1, key, parameters.column), share[1:], parameters.column)


def fuse(answers: Mapping[int, Residues], quorum: int, parameters: RingParameters) -> Residues:
    """Interpolate the participants' answers at zero.

    answers: partial decryption by public point (1..n), each (chunks, 4, degree).
    Returns s * c1 + E in the same shape, bit for bit the same whoever answered.
    Raises QuorumNotReached, with the points that did answer.
    """
    if len(answers) < quorum:
        raise QuorumNotReached(needed=quorum, answered=sorted(answers))
    # Any quorum would do; the lowest points make a transcript reproducible.
    points = sorted(answers)[:quorum]
    return combine(lagrange(points, 0, parameters), [answers[p] for p in points], parameters)


def consistent(answers: Mapping[int, Residues], quorum: int, parameters: RingParameters) -> tuple[int, ...] | None:
    """Place (chunk, prime, coefficient) where some answers cannot all be true, or None where all agree."""
    points = sorted(answers)
    basis = points[:quorum]
    for extra in points[quorum:]:
        expected = combine(lagrange(basis, extra, parameters), [answers[p] for p in basis], parameters)
        wrong = expected != answers[extra]
        if bool(wrong.any()):
            return tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
    return None


def locate_liars(answers: Mapping[int, Residues], quorum: int, parameters: RingParameters) -> tuple[int, ...]:
    """Points whose answers are wrong, () where all agree.

    Raises InconsistentAnswers where they disagree and there are too few to say who lied: e liars need t + 2e
    answers.
    """
    remaining = dict(answers)
    liars: list[int] = []
    while (place := consistent(remaining, quorum, parameters)) is not None:
        chunk, row, coefficient = place
        prime = parameters.primes[row]
        points = sorted(remaining)
        values = [int(remaining[p][chunk, row, coefficient]) for p in points]
        # Liars already found count against what this many answers can tell.
        wrong = _wrong_positions(points, values, quorum, prime)
        if not wrong or len(answers) < quorum + 2 * (len(liars) + len(wrong)):
            raise InconsistentAnswers(
                f"{len(answers)} partial decryptions disagree; a quorum of {quorum} cannot say who"
            )
        for position in wrong:
            liars.append(points[position])
            del remaining[points[position]]
    return tuple(sorted(liars))


def _wrong_positions(points: Sequence[int], values: Sequence[int], degree: int, prime: int) -> list[int]:
    """Berlekamp-Welch: positions off the one polynomial of degree < `degree` that most values lie on; [] if none."""
    for errors in range(1, (len(points) - degree) // 2 + 1):
        # Q(x) = y E(x) with E monic of degree `errors`, Q of degree < degree + errors.
        rows = []
        for x, y in zip(points, values, strict=True):
            powers = [pow(x, k, prime) for k in range(degree + errors)]
            rows.append([*powers, *(-y * powers[k] % prime for k in range(errors)), y * pow(x, errors, prime) % prime])
        solution = _solve(rows, degree + 2 * errors, prime)
        if solution is None:
            continue
        numerator, locator = solution[: degree + errors], [*solution[degree + errors :], 1]
        wrong = [i for i, x in enumerate(points) if _evaluate(locator, x, prime) == 0]
        good = [i for i in range(len(points)) if i not in wrong]
        if wrong and all(
            values[i] * _evaluate(locator, points[i], prime) % prime == _evaluate(numerator, points[i], prime)
            for i in good
        ):
            return [i for i in wrong if not _lies_on(i, good[:degree], points, values, prime)]
    return []


def _lies_on(position: int, basis: Sequence[int], points: Sequence[int], values: Sequence[int], prime: int) -> bool:
    """Whether one value lies on the polynomial through the basis."""
    expected = 0
    for i in basis:
        numerator = denominator = 1
        for j in basis:
            if i != j:
                numerator = numerator * (points[position] - points[j]) % prime
                denominator = denominator * (points[i] - points[j]) % prime
        expected += values[i] * numerator * pow(denominator, -1, prime)
    return expected % prime == values[position]


def _evaluate(coefficients: Sequence[int], x: int, prime: int) -> int:
    result = 0
    for coefficient in reversed(coefficients):
        result = (result * x + coefficient) % prime
    return result


def _solve(rows: list[list[int]], unknowns: int, prime: int) -> list[int] | None:
    """Any solution of a linear system over a prime field (last column: right side), or None."""
    pivots: list[int] = []
    rank = 0
    for column in range(unknowns):
        pivot = next((r for r in range(rank, len(rows)) if rows[r][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        inverse = pow(rows[rank][column], -1, prime)
        rows[rank] = [value * inverse % prime for value in rows[rank]]
        for r in range(len(rows)):
            if r != rank and rows[r][column]:
                factor = rows[r][column]
                rows[r] = [(a - factor * b) % prime for a, b in zip(rows[r], rows[rank], strict=True)]
        pivots.append(column)
        rank += 1
    if any(row[-1] for row in rows[rank:]):
        return None
    solution = [0] * unknowns
    for row, column in zip(rows, pivots, strict=False):
        solution[column] = row[-1]
    return solution
