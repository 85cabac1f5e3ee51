"""Crypto, EncodingUtil and Blob.

Apex Reference Guide: Crypto, EncodingUtil and Blob Classes. AES is CBC with PKCS#5 padding; with a managed IV, the
first 16 bytes of the cipher text are the IV. Chance comes from the services handed in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import urllib.parse
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from localorg.apex.types.platform import platform_type
from localorg.apex.values.exceptions import apex_error, null_pointer
from localorg.apex.values.numbers import wrap32, wrap64
from localorg.apex.values.size import held

CRYPTO = platform_type("Crypto")
ENCODING = platform_type("EncodingUtil")
BLOB = platform_type("Blob")

_DIGESTS = {
    "MD5": "md5", "SHA1": "sha1", "SHA-1": "sha1", "SHA-256": "sha256", "SHA256": "sha256", "SHA-384": "sha384",
    "SHA-512": "sha512", "SHA512": "sha512", "SHA3-256": "sha3_256", "SHA3-384": "sha3_384", "SHA3-512": "sha3_512",
}  # fmt: skip
_MACS = {"hmacMD5": "md5", "hmacSHA1": "sha1", "hmacSHA256": "sha256", "hmacSHA384": "sha384", "hmacSHA512": "sha512"}
_KEYS = {"AES128": 16, "AES192": 24, "AES256": 32}


def _need(*values: Any) -> None:
    if any(value is None for value in values):
        raise apex_error("NullPointerException", "Argument cannot be null.")


@CRYPTO.static("Blob generateDigest(String, Blob)")
def _digest(algorithm: str, data: bytes) -> bytes:
    _need(algorithm, data)
    name = _DIGESTS.get(algorithm.upper())
    if name is None:
        raise apex_error("SecurityException", f"{algorithm} MessageDigest not available")
    return hashlib.new(name, data, usedforsecurity=False).digest()


def _mac_name(algorithm: str) -> str:
    for known, name in _MACS.items():
        if known.lower() == algorithm.lower():
            return name
    raise apex_error("SecurityException", f"Algorithm {algorithm} not available")


@CRYPTO.static("Blob generateMac(String, Blob, Blob)")
def _mac(algorithm: str, data: bytes, key: bytes) -> bytes:
    _need(algorithm, data, key)
    return hmac.new(key, data, _mac_name(algorithm)).digest()


@CRYPTO.static("Boolean verifyHMac(String, Blob, Blob, Blob)")
def _verify_mac(algorithm: str, data: bytes, key: bytes, mac: bytes) -> bool:
    _need(mac)
    return hmac.compare_digest(_mac(algorithm, data, key), mac)


# ---- AES ------------------------------------------------------------------------------------------------------------


@CRYPTO.static("Blob generateAesKey(Integer)", runtime=True)
def _aes_key(rt: Any, size: int) -> bytes:
    _need(size)
    if size not in (128, 192, 256):
        raise apex_error("SecurityException", f"Invalid key size: {size}")
    return rt.services.random_bytes(size // 8)  # type: ignore[no-any-return]  # bytes


def _cipher(algorithm: str, key: bytes, iv: bytes) -> Cipher[modes.CBC]:
    _need(algorithm, key, iv)
    size = _KEYS.get(algorithm.upper())
    if size is None:
        raise apex_error("SecurityException", f"Invalid algorithm: {algorithm}")
    if len(key) != size:
        raise apex_error("InvalidParameterValueException", f"Invalid private key. Must be {size} bytes.")
    if len(iv) != 16:
        raise apex_error("InvalidParameterValueException", "Invalid initialization vector. Must be 16 bytes.")
    return Cipher(algorithms.AES(key), modes.CBC(iv))


@CRYPTO.static("Blob encrypt(String, Blob, Blob, Blob)")
def _encrypt(algorithm: str, key: bytes, iv: bytes, clear: bytes) -> bytes:
    cipher = _cipher(algorithm, key, iv)
    _need(clear)
    padder = padding.PKCS7(128).padder()
    encryptor = cipher.encryptor()
    return encryptor.update(padder.update(clear) + padder.finalize()) + encryptor.finalize()


@CRYPTO.static("Blob decrypt(String, Blob, Blob, Blob)")
def _decrypt(algorithm: str, key: bytes, iv: bytes, hidden: bytes) -> bytes:
    cipher = _cipher(algorithm, key, iv)
    _need(hidden)
    if not hidden or len(hidden) % 16:
        raise apex_error("SecurityException", "Input length must be multiple of 16 when decrypting with padded cipher")
    decryptor = cipher.decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    try:
        return unpadder.update(decryptor.update(hidden) + decryptor.finalize()) + unpadder.finalize()
    except ValueError:
        raise apex_error("SecurityException", "Given final block not properly padded") from None


@CRYPTO.static("Blob encryptWithManagedIV(String, Blob, Blob)", runtime=True)
def _encrypt_managed(rt: Any, algorithm: str, key: bytes, clear: bytes) -> bytes:
    iv: bytes = rt.services.random_bytes(16)
    return iv + _encrypt(algorithm, key, iv, clear)


@CRYPTO.static("Blob decryptWithManagedIV(String, Blob, Blob)")
def _decrypt_managed(algorithm: str, key: bytes, hidden: bytes) -> bytes:
    _need(hidden)
    if len(hidden) < 32:
        raise apex_error("InvalidParameterValueException", "Invalid initialization vector. Must be 16 bytes.")
    return _decrypt(algorithm, key, hidden[:16], hidden[16:])


# ---- signatures -----------------------------------------------------------------------------------------------------

_SIGNATURES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "RSA": hashes.SHA1, "RSA-SHA1": hashes.SHA1, "RSA-SHA256": hashes.SHA256, "RSA-SHA384": hashes.SHA384,
    "RSA-SHA512": hashes.SHA512, "ECDSA-SHA256": hashes.SHA256, "ECDSA-SHA384": hashes.SHA384,
    "ECDSA-SHA512": hashes.SHA512,
}  # fmt: skip


def _hash_of(algorithm: str) -> hashes.HashAlgorithm:
    made = _SIGNATURES.get(algorithm.upper())
    if made is None:
        raise apex_error("SecurityException", f"{algorithm} Signature not available")
    return made()


@CRYPTO.static("Blob sign(String, Blob, Blob)")
def _sign(algorithm: str, data: bytes, key: bytes) -> bytes:
    """key: the private key, PKCS#8 DER."""
    _need(algorithm, data, key)
    hash_ = _hash_of(algorithm)
    try:
        private = serialization.load_der_private_key(key, password=None)
    except (ValueError, UnsupportedAlgorithm):
        raise apex_error("InvalidParameterValueException", "Invalid private key") from None
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(data, rsa_padding.PKCS1v15(), hash_)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return private.sign(data, ec.ECDSA(hash_))
    raise apex_error("InvalidParameterValueException", "Invalid private key")


@CRYPTO.static("Boolean verify(String, Blob, Blob, Blob)")
def _verify(algorithm: str, data: bytes, signature: bytes, key: bytes) -> bool:
    """key: the public key, X.509 DER."""
    _need(algorithm, data, signature, key)
    hash_ = _hash_of(algorithm)
    try:
        public = serialization.load_der_public_key(key)
    except (ValueError, UnsupportedAlgorithm):
        raise apex_error("InvalidParameterValueException", "Invalid public key") from None
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, data, rsa_padding.PKCS1v15(), hash_)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, data, ec.ECDSA(hash_))
        else:
            raise apex_error("InvalidParameterValueException", "Invalid public key")
    except InvalidSignature:
        return False
    return True


CRYPTO.static("Integer getRandomInteger()", runtime=True)(
    lambda rt: wrap32(int.from_bytes(rt.services.random_bytes(4), "big"))
)
CRYPTO.static("Long getRandomLong()", runtime=True)(
    lambda rt: wrap64(int.from_bytes(rt.services.random_bytes(8), "big"))
)

# ---- EncodingUtil ---------------------------------------------------------------------------------------------------


@ENCODING.static("String base64Encode(Blob)")
def _base64_encode(data: bytes) -> str:
    _need(data)
    return held(base64.b64encode(data).decode())


@ENCODING.static("Blob base64Decode(String)")
def _base64_decode(text: str) -> bytes:
    _need(text)
    cleaned = "".join(text.split())
    try:
        return base64.b64decode(cleaned + "=" * (-len(cleaned) % 4), validate=True)
    except binascii.Error:
        raise apex_error("StringException", "Unrecognized base64 character") from None


@ENCODING.static("String convertToHex(Blob)")
def _to_hex(data: bytes) -> str:
    _need(data)
    return held(data.hex())


@ENCODING.static("Blob convertFromHex(String)")
def _from_hex(text: str) -> bytes:
    _need(text)
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise apex_error("InvalidParameterValueException", "Invalid hex character") from None


@ENCODING.static("String urlEncode(String, String)")
def _url_encode(text: str, charset: str) -> str:
    _need(text, charset)
    return held(urllib.parse.quote_plus(text, safe="*-._", encoding=charset).replace("~", "%7E"))


@ENCODING.static("String urlDecode(String, String)")
def _url_decode(text: str, charset: str) -> str:
    _need(text, charset)
    return urllib.parse.unquote_plus(text, encoding=charset)


# ---- Blob -----------------------------------------------------------------------------------------------------------

BLOB.static("Blob valueOf(String)")(lambda text: null_pointer() if text is None else text.encode())
BLOB.method("Integer size()")(len)


@BLOB.method("String toString()")
def _blob_text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise apex_error("StringException", "BLOB is not a valid UTF-8 string") from None


@platform_type("UUID").static("UUID randomUUID()", runtime=True)
def _uuid(rt: Any) -> Any:
    import uuid

    return Uuid(str(uuid.UUID(bytes=rt.services.random_bytes(16), version=4)))


class Uuid:
    """System.UUID."""

    apex_name = "UUID"

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Uuid) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text
