"""TensorBoard's event files, written by hand.

A file is a sequence of records: length (uint64), a checksum of it, the data, a checksum of that;
all little-endian. The checksum is CRC-32C, rotated right by 15 bits plus a constant. The data of a
record is a protocol buffer ``Event {double wall_time = 1; int64 step = 2; string file_version = 3;
Summary summary = 5;}`` with ``Summary {repeated Value value = 1;}`` and ``Value {string tag = 1;
float simple_value = 2;}`` (tensorflow/core/util/event.proto,
tensorflow/core/framework/summary.proto).
"""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path
from typing import BinaryIO

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers


class EventFile:
    """A file of scalars in a folder, with a name that TensorBoard looks for."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        host, now = socket.gethostname() or "host", time.time()
        name = f"events.out.tfevents.{int(now * 1e6)}.{host}.{os.getpid()}"
        self._file: BinaryIO = open(folder / name, "wb")
        self._record(_field(1, FIXED64, struct.pack("<d", now)) + _text(3, "brain.Event:2"))

    def scalar(self, tag: str, value: float, step: int, wall_time: float) -> None:
        """Write a number."""
        number = _text(1, tag) + _field(2, FIXED32, struct.pack("<f", value))
        event = _field(1, FIXED64, struct.pack("<d", wall_time))
        event += _field(2, VARINT, _varint(step))
        event += _field(5, BYTES, _sized(_field(1, BYTES, _sized(number))))
        self._record(event)

    def flush(self) -> None:
        """Let readers see what was written."""
        self._file.flush()

    def close(self) -> None:
        """End the file."""
        self._file.close()

    def _record(self, data: bytes) -> None:
        length = struct.pack("<Q", len(data))
        self._file.write(length + _masked(length) + data + _masked(data))


def _varint(n: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth bit says that more follow."""
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def _field(number: int, kind: int, data: bytes) -> bytes:
    return _varint(number << 3 | kind) + data


def _sized(data: bytes) -> bytes:
    return _varint(len(data)) + data


def _text(number: int, text: str) -> bytes:
    return _field(number, BYTES, _sized(text.encode()))


def _crc_table() -> list[int]:
    """CRC-32C of each byte: division by the polynomial 0x1EDC6F41, bits reversed."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """The checksum of Castagnoli.

    >>> from tinygrad_cn.callbacks.events import crc32c
    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
