"""Measures a pack while it comes in: refuses what is too large, or inflates past a limit, before anything stores it.

Keeps none of the data. Whether the objects are any good is not asked here.
Source: https://git-scm.com/docs/gitformat-pack (entries: type and size as a varint, base of a delta, zlib data).
"""

from __future__ import annotations

import bisect
import zlib
from array import array

from receiver.pack_limits import MOST_OBJECTS, PackLimits, broken_pack, too_large, too_many

COMMIT, TREE, BLOB, TAG, OFS_DELTA, REF_DELTA = 1, 2, 3, 4, 6, 7
_HEADER_BYTES = 12
_TRAILER_BYTES = 20
_LONGEST_ENTRY_HEADER = 10 + 20  # a size of 64 bits, and the name of a base
_SMALL = 512
_STEP = 256 * 1024


class PackMeter:
    """Fed with the bytes of one pack in any portions. Raises PackRefused as soon as one of them is too much.

    A delta counts with the size of what it makes. Afterwards `offsets` holds where each entry begins, and `kinds` what
    it is: COMMIT, TREE, BLOB or TAG; REF_DELTA for one whose base is named and so not known here.
    """

    def __init__(self, limits: PackLimits) -> None:
        self.offsets = array("Q")
        self.kinds = bytearray()
        self.is_complete = False
        self._limits = limits
        self._rest = b""  # an entry's header that is not whole yet
        self._passed = 0  # bytes of the pack before `_rest`
        self.objects: int | None = None  # how many the pack says it has, once its header came
        self._inflated = 0
        self._stream: zlib._Decompress | None = None
        self._left = 0  # bytes that the current entry has still to yield
        self._delta_head: bytearray | None = None

    def feed(self, data: bytes) -> None:
        buffer = self._rest + data if self._rest else data
        if self._passed + len(buffer) > self._limits.pack_bytes:
            raise too_large("pack", self._limits.pack_bytes, "largest_pack_mb", "pack too large")
        position = self._read_entries(buffer)
        self._rest = buffer[position:]
        self._passed += position
        if self.objects == len(self.offsets) and self._stream is None:
            self.is_complete = len(self._rest) >= _TRAILER_BYTES

    def _read_entries(self, buffer: bytes) -> int:
        position = 0
        if self.objects is None:
            if len(buffer) < _HEADER_BYTES:
                return 0
            self.objects = _parse_header(buffer[:_HEADER_BYTES])
            position = _HEADER_BYTES
        view = memoryview(buffer)
        while True:
            if self._stream is None:
                if len(self.offsets) == self.objects:
                    return position
                begun = self._begin_entry(buffer, position)
                if begun is None:
                    return position
                position = begun
            if position == len(buffer):
                return position
            position = self._inflate(view, position)

    def _begin_entry(self, buffer: bytes, start: int) -> int | None:
        """Read the header at `start`; returns where its zlib data begin, or None when it is not whole yet."""
        position = start
        try:
            byte = buffer[position]
            kind, size, shift = (byte >> 4) & 7, byte & 15, 4
            while byte & 0x80:
                position += 1
                byte = buffer[position]
                size |= (byte & 0x7F) << shift
                shift += 7
            position += 1
            if kind == OFS_DELTA:
                distance, position = _parse_distance(buffer, position)
                kind = self._kind_at(self._passed + start - distance)
            elif kind == REF_DELTA:
                position += 20
                buffer[position - 1]
            elif kind not in (COMMIT, TREE, BLOB, TAG):
                raise broken_pack(f"It has an object of the unknown type {kind}.")
        except IndexError:
            if len(buffer) - start > _LONGEST_ENTRY_HEADER:
                raise broken_pack("An object's size is not a number.") from None
            return None
        self._delta_head = bytearray() if (buffer[start] >> 4) & 7 in (OFS_DELTA, REF_DELTA) else None
        self._count(size, is_blob=kind == BLOB)
        self._left = size
        self._stream = zlib.decompressobj()
        self.offsets.append(self._passed + start)
        self.kinds.append(kind)
        return position

    def _inflate(self, view: memoryview, position: int) -> int:
        """Inflate the current entry from `position` on, throwing the result away. Returns where it stopped."""
        stream = self._stream
        assert stream is not None
        step = _SMALL
        while position < len(view) and not stream.eof:
            piece = view[position : position + step]
            try:
                data = stream.decompress(piece, min(self._left + 1, _STEP))
            except zlib.error as error:
                raise broken_pack(f"An object cannot be inflated: {error}.") from None
            position += len(piece) - len(stream.unused_data if stream.eof else stream.unconsumed_tail)
            self._left -= len(data)
            if self._left < 0:
                raise broken_pack("An object is larger than it says.")
            if self._delta_head is not None and len(self._delta_head) < 20:
                self._delta_head += data[:20]
            step = min(step * 4, _STEP)
        if stream.eof:
            self._end_entry()
        return position

    def _end_entry(self) -> None:
        if self._left:
            raise broken_pack("An object is smaller than it says.")
        if self._delta_head is not None:
            _, position = _parse_size(self._delta_head, 0)
            self._count(_parse_size(self._delta_head, position)[0], is_blob=True)
        self._stream = None

    def _count(self, size: int, *, is_blob: bool) -> None:
        if is_blob and size > self._limits.blob_bytes:
            raise too_large("file", self._limits.blob_bytes, "largest_blob_mb", "file too large")
        self._inflated += size
        if self._inflated > self._limits.inflated_bytes:
            raise too_large("inflated pack", self._limits.inflated_bytes, "largest_inflated_mb", "inflates too far")

    def _kind_at(self, offset: int) -> int:
        index = bisect.bisect_left(self.offsets, offset)
        if index == len(self.offsets) or self.offsets[index] != offset:
            raise broken_pack("A delta's base is not there.")
        return self.kinds[index]


def _parse_header(header: bytes) -> int:
    """`PACK`, version 2 or 3, number of objects: 32 bits each."""
    objects = int.from_bytes(header[8:])
    if header[:4] != b"PACK" or int.from_bytes(header[4:8]) not in (2, 3):
        raise broken_pack("It does not begin as packs do.")
    if objects > MOST_OBJECTS:
        raise too_many(objects)
    return objects


def _parse_distance(buffer: bytes, position: int) -> tuple[int, int]:
    """How far back the base of an OFS_DELTA lies, and the position after it. Raises IndexError when cut short."""
    byte = buffer[position]
    distance = byte & 0x7F
    while byte & 0x80:
        position += 1
        byte = buffer[position]
        distance = ((distance + 1) << 7) | (byte & 0x7F)
    return distance, position + 1


def _parse_size(head: bytes | bytearray, position: int) -> tuple[int, int]:
    """One of the two sizes at a delta's head, and the position after it."""
    size = shift = 0
    while position < len(head):
        byte = head[position]
        position += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return size, position
    raise broken_pack("A delta has no head.")
