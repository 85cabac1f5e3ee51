"""Signed integers into the coefficients of a message, in lanes wide enough for the sum.

A value v with |v| <= magnitude is stored as v + magnitude >= 0; a lane holds n such numbers added up, so that
lanes never touch. One lane a coefficient, or two where two fit in the message's 59 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedcrm.errors import OutOfLane, Tampered

__all__ = ["Lanes"]

_MAX_LANES = 2


@dataclass(frozen=True, slots=True)
class Lanes:
    """How a vector lies in the coefficients.

    magnitude: bound on |value| of one participant, >= 1.
    width:     bits of one lane: those of 2 * magnitude * participants.
    count:     lanes a coefficient, 1 or 2.
    """

    magnitude: int
    width: int
    count: int

    @classmethod
    def for_sum(cls, magnitude: int, participants: int, plain_bits: int) -> Lanes:
        """Raises OutOfLane where the sum would not fit one lane of plain_bits."""
        width = (2 * magnitude * participants).bit_length()
        if width > plain_bits:
            raise OutOfLane(value=magnitude, bound=((1 << plain_bits) - 1) // (2 * participants))
        return cls(magnitude, width, min(_MAX_LANES, plain_bits // width))

    def chunks(self, coordinates: int, degree: int) -> int:
        """Messages needed for a vector."""
        return -(-coordinates // (self.count * degree))

    def pack(self, values: NDArray[np.int64], degree: int) -> NDArray[np.uint64]:
        """(coordinates,) -> (chunks, degree). Raises OutOfLane: nothing is ever clipped."""
        low, high = int(values.min()), int(values.max())
        worst = high if high >= -low else low
        if abs(worst) > self.magnitude:
            raise OutOfLane(value=worst, bound=self.magnitude)
        chunks = self.chunks(values.size, degree)
        flat = np.zeros(chunks * self.count * degree, np.uint64)
        flat[: values.size] = (values + self.magnitude).view(np.uint64)
        lanes = flat.reshape(chunks, self.count, degree)
        message = lanes[:, 0].copy()
        for lane in range(1, self.count):
            message |= lanes[:, lane] << np.uint64(self.width * lane)
        return message

    def unpack(self, messages: NDArray[np.uint64], coordinates: int, participants: int) -> NDArray[np.int64]:
        """The sum of `participants` packed vectors: (chunks, degree) -> (coordinates,).

        Raises Tampered where no honest values could have this sum: a lane past its bound, or anything but zero
        where nobody packs anything.
        """
        mask = np.uint64((1 << self.width) - 1)
        used = np.uint64(self.width * self.count)
        lanes = np.stack([messages >> np.uint64(self.width * lane) & mask for lane in range(self.count)], axis=1)
        flat = lanes.reshape(-1)
        limit = np.uint64(2 * self.magnitude * participants)
        if bool((messages >> used).any()) or bool(flat[coordinates:].any()) or bool((flat[:coordinates] > limit).any()):
            raise Tampered("the opened sum lies outside its lanes: no honest values add up to it")
        return flat[:coordinates].astype(np.int64) - self.magnitude * participants
