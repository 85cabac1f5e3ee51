"""One way to write each value as bytes, and a reader that refuses everything else."""

from __future__ import annotations

from fedcrm.errors import MalformedMessage

__all__ = ["Reader", "Writer"]


class Writer:
    """Appends values; `done` gives the bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def number(self, value: int, size: int) -> Writer:
        """Unsigned, little-endian, `size` bytes. Raises OverflowError where it does not fit."""
        self._parts.append(value.to_bytes(size, "little"))
        return self

    def raw(self, value: bytes) -> Writer:
        """Bytes whose length the reader knows."""
        self._parts.append(value)
        return self

    def sized(self, value: bytes) -> Writer:
        """Bytes after their length (four bytes)."""
        return self.number(len(value), 4).raw(value)

    def text(self, value: str) -> Writer:
        """UTF-8 after its length."""
        return self.sized(value.encode())

    def done(self) -> bytes:
        """Everything written."""
        return b"".join(self._parts)


class Reader:
    """Reads what Writer wrote. Every method raises MalformedMessage on bytes that end too early."""

    def __init__(self, data: bytes | memoryview, *, culprit: str | None = None) -> None:
        self._data = memoryview(data)
        self._at = 0
        self._culprit = culprit

    @property
    def at(self) -> int:
        """Bytes read so far."""
        return self._at

    def view(self, size: int) -> memoryview:
        """The next `size` bytes, not copied."""
        end = self._at + size
        if end > len(self._data):
            raise self.malformed("the message ends too early")
        result = self._data[self._at : end]
        self._at = end
        return result

    def raw(self, size: int) -> bytes:
        """The next `size` bytes."""
        return bytes(self.view(size))

    def number(self, size: int) -> int:
        """Unsigned, little-endian."""
        return int.from_bytes(self.view(size), "little")

    def sized(self) -> bytes:
        """Bytes after their length."""
        return self.raw(self.number(4))

    def text(self) -> str:
        """UTF-8 after its length."""
        try:
            return self.sized().decode()
        except UnicodeDecodeError as error:
            raise self.malformed("a name is not UTF-8") from error

    def end(self) -> None:
        """Refuse anything left over."""
        if self._at != len(self._data):
            raise self.malformed(f"{len(self._data) - self._at} bytes too many")

    def malformed(self, reason: str) -> MalformedMessage:
        """The refusal, naming whoever sent these bytes."""
        return MalformedMessage(reason, culprit=self._culprit)
