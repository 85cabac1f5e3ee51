"""SEAL behind five calls: transform, encrypt, decode.

`tenseal.sealapi` offers no bulk access to coefficients, so objects pass through SEAL's own saved form, in
an anonymous in-memory file where the system has one: secrets never touch a disk.

Saved form (SEAL 4): 16-byte header <HBBBBHQ (0xA15E, 16, major, minor, compression, 0, length), then the body.
A ciphertext's body: parms_id 4 x u64, is_ntt u8, size, degree, primes u64, scale f64, correction u64, then a
nested header, count u64 and data u64 in the order [polynomial][prime][coefficient]. A plaintext's or secret
key's: parms_id, count u64, scale f64, nested data. The version bytes are copied from an object that SEAL wrote.
"""

from __future__ import annotations

import os
import struct
import tempfile
import threading
from functools import lru_cache
from typing import Any

import numpy as np
import tenseal.sealapi as seal
import zstandard
from numpy.typing import NDArray

from fedcrm.errors import SelfTestFailed
from fedcrm.secagg.ring import PRODUCTION, Residues, RingParameters

__all__ = ["Bfv", "bfv_for"]

_HEADER = struct.Struct("<HBBBBHQ")
_MAGIC, _ZSTD = 0xA15E, 2
_CIPHERTEXT = struct.Struct("<4QBQQQdQ")
_PLAINTEXT = struct.Struct("<4QQd")
_BATCH = 16
"""SEAL's limit on polynomials in one ciphertext."""


@lru_cache(maxsize=4)
def bfv_for(parameters: RingParameters = PRODUCTION) -> Bfv:
    """The one instance a process keeps for these parameters: contexts cost about 0.2 s."""
    return Bfv(parameters)


class Bfv:
    """BFV over one ring. Safe to share between threads."""

    def __init__(self, parameters: RingParameters) -> None:
        self.parameters = parameters
        level = seal.SEC_LEVEL_TYPE.NONE if parameters.insecure else seal.SEC_LEVEL_TYPE.TC128
        chain = [seal.Modulus(p) for p in (*parameters.primes, parameters.key_prime)]
        self._context = self._new_context(chain, level)
        # Public keys carry the key prime too; SEAL transforms only what lies below its last prime, so a second
        # chain with one more prime serves as transform for them. Nothing is ever encrypted in it.
        spare = next(
            m
            for m in seal.CoeffModulus.Create(parameters.degree, [30, 31])
            if m.value() not in (*parameters.primes, parameters.key_prime)
        )
        self._key_context = self._new_context([*chain, spare], seal.SEC_LEVEL_TYPE.NONE)
        self._file = _File()
        self._file.learn_version()
        self._data_id, self._key_id = list(self._context.first_parms_id()), list(self._context.key_parms_id())
        self._key_context_id = list(self._key_context.first_parms_id())
        self._evaluator, self._key_evaluator = seal.Evaluator(self._context), seal.Evaluator(self._key_context)
        self._decoder = seal.Decryptor(self._context, self._zero_key())

    def transform(self, polynomials: Residues) -> Residues:
        """Coefficient form -> evaluation form, (k, primes, degree); 4 primes, or 5 for keys."""
        if polynomials.shape[-2] == len(self.parameters.primes):
            context, identifier, evaluator = self._context, self._data_id, self._evaluator
        else:
            context, identifier, evaluator = self._key_context, self._key_context_id, self._key_evaluator
        result = np.empty_like(polynomials)
        for start in range(0, len(polynomials), _BATCH):
            batch = polynomials[start : start + _BATCH]
            # SEAL wants two polynomials at least, and the last not all zero.
            padded = batch if len(batch) > 1 else np.concatenate([batch, np.ones_like(batch)])
            ciphertext = self._ciphertext(padded, context, identifier, evaluation=False)
            evaluator.transform_to_ntt_inplace(ciphertext)
            result[start : start + _BATCH] = self._polynomials(ciphertext)[: len(batch)]
        return result

    def encrypt(self, public_key: Residues, messages: NDArray[np.uint64]) -> Residues:
        """Encrypt under (b, a), (2, 5, degree) in evaluation form.

        messages: (chunks, degree), each below 2^plain_bits. Returns (chunks, 2, 4, degree), evaluation form.
        """
        key = self._ciphertext(public_key, self._context, self._key_id, evaluation=True, kind=seal.PublicKey)
        encryptor = seal.Encryptor(self._context, key)
        result = np.empty((len(messages), 2, len(self.parameters.primes), self.parameters.degree), np.uint64)
        for chunk, message in enumerate(messages):
            ciphertext = seal.Ciphertext()
            encryptor.encrypt(self._plaintext(message), ciphertext)
            self._evaluator.transform_to_ntt_inplace(ciphertext)
            result[chunk] = self._polynomials(ciphertext)
        return result

    def decode(self, phases: Residues) -> NDArray[np.uint64]:
        """Round c0 + s * c1 to the message: exact BFV scaling by 2^plain_bits / q.

        phases: (chunks, 4, degree), evaluation form. Returns (chunks, degree), each below 2^plain_bits.
        SEAL decrypts (phase, 1) under the zero key: its own rounding, no secret anywhere.
        """
        result = np.zeros((len(phases), self.parameters.degree), np.uint64)
        for chunk, phase in enumerate(phases):
            pair = np.stack([phase, np.ones_like(phase)])
            ciphertext = self._ciphertext(pair, self._context, self._data_id, evaluation=True)
            self._evaluator.transform_from_ntt_inplace(ciphertext)
            plaintext = seal.Plaintext()
            self._decoder.decrypt(ciphertext, plaintext)
            body = self._file.read(plaintext)
            count = _PLAINTEXT.unpack_from(body)[4]
            result[chunk, :count] = np.frombuffer(body, "<u8", count, _PLAINTEXT.size + _HEADER.size + 8)
        return result

    # --- objects in SEAL's saved form ----------------------------------------------------------------

    def _new_context(self, chain: list[Any], level: Any) -> Any:
        settings = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
        settings.set_poly_modulus_degree(self.parameters.degree)
        settings.set_coeff_modulus(chain)
        settings.set_plain_modulus(1 << self.parameters.plain_bits)
        context = seal.SEALContext(settings, True, level)
        if not context.parameters_set():
            raise SelfTestFailed(f"SEAL refuses the parameters: {context.parameters_error_message()}")
        return context

    def _ciphertext(
        self, polynomials: Residues, context: Any, identifier: list[int], *, evaluation: bool, kind: Any = None
    ) -> Any:
        size, primes, degree = polynomials.shape
        head = _CIPHERTEXT.pack(*identifier, evaluation, size, degree, primes, 1.0, 1)
        target = (kind or seal.Ciphertext)()
        self._file.write(target, context, head, np.ascontiguousarray(polynomials, "<u8"))
        return target

    def _polynomials(self, ciphertext: Any) -> Residues:
        body = self._file.read(ciphertext)
        _, _, _, _, _, size, degree, primes, _, _ = _CIPHERTEXT.unpack_from(body)
        count = size * degree * primes
        data = np.frombuffer(body, "<u8", count, _CIPHERTEXT.size + _HEADER.size + 8)
        return data.reshape(size, primes, degree)

    def _plaintext(self, message: NDArray[np.uint64]) -> Any:
        plaintext = seal.Plaintext()
        head = _PLAINTEXT.pack(0, 0, 0, 0, message.size, 1.0)
        self._file.write(plaintext, self._context, head, np.ascontiguousarray(message, "<u8"))
        return plaintext

    def _zero_key(self) -> Any:
        key = seal.SecretKey()
        zeros = np.zeros((len(self.parameters.primes) + 1) * self.parameters.degree, "<u8")
        self._file.write(key, self._context, _PLAINTEXT.pack(*self._key_id, zeros.size, 1.0), zeros)
        return key


class _File:
    """What SEAL's save(path) and load(context, path) are given."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = (0, 0)
        if hasattr(os, "memfd_create"):
            self._descriptor = os.memfd_create("fedcrm-secagg")
            self._path = f"/proc/self/fd/{self._descriptor}"
        else:  # no anonymous files on this system: one of mode 0600 instead
            self._descriptor, self._path = tempfile.mkstemp(prefix="fedcrm-secagg-")

    def learn_version(self) -> None:
        """Take the version bytes from something that SEAL wrote."""
        self.read(seal.Plaintext("1"))

    def write(self, target: Any, context: Any, head: bytes, data: NDArray[np.uint64]) -> None:
        """Load `target` from its body: head, then data as a nested array."""
        nested = self._header(8 + data.nbytes) + struct.pack("<Q", data.size)
        outer = self._header(len(head) + len(nested) + data.nbytes)
        with self._lock:
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            for part in (outer + head + nested, data.data.cast("B")):
                view = memoryview(part)
                while view:
                    view = view[os.write(self._descriptor, view) :]
            target.load(context, self._path)

    def read(self, source: Any) -> bytes:
        """The body of what SEAL saves."""
        with self._lock:
            os.ftruncate(self._descriptor, 0)
            source.save(self._path)
            saved = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)
        magic, header, major, minor, compression, _, length = _HEADER.unpack_from(saved)
        if magic != _MAGIC or header != _HEADER.size or length != len(saved) or compression not in (0, _ZSTD):
            raise SelfTestFailed("SEAL's saved form is not the one this code was written for")
        self._version = (major, minor)
        body = memoryview(saved)[_HEADER.size :]
        return bytes(body) if compression == 0 else zstandard.ZstdDecompressor().decompressobj().decompress(body)

    def _header(self, payload: int) -> bytes:
        return _HEADER.pack(_MAGIC, _HEADER.size, *self._version, 0, 0, _HEADER.size + payload)
