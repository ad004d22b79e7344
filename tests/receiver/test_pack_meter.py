"""Measuring a stream: the same result however it is cut, and limits that hold."""

from __future__ import annotations

import hashlib
import itertools
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.pack_limits import PackLimits, PackRefused, choose_limits
from receiver.pack_meter import BLOB, OFS_DELTA, REF_DELTA, PackMeter
from toppcloud.settings import NodeSettings

LIMITS = PackLimits(10**7, 10**7, 10**6)


def _entry(kind: int, raw: bytes, base: bytes = b"") -> bytes:
    size, head = len(raw), bytearray()
    byte, size = (kind << 4) | (size & 15), size >> 4
    while size:
        head.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    return bytes([*head, byte]) + base + zlib.compress(raw)


def _pack(*entries: bytes) -> bytes:
    body = b"PACK\0\0\0\x02" + len(entries).to_bytes(4) + b"".join(entries)
    return body + hashlib.sha1(body).digest()


_FIRST = _entry(BLOB, random.Random(1).randbytes(3000))
_ENTRIES = (
    _FIRST,
    _entry(OFS_DELTA, b"\xb8\x17\x03\x03abc", base=bytes([0x80 | ((len(_FIRST) >> 7) - 1), len(_FIRST) & 0x7F])),
    _entry(BLOB, b""),
    _entry(REF_DELTA, b"\x01\x01\x01y", base=bytes(20)),
    _entry(BLOB, bytes(900_000)),
)
PACK = _pack(*_ENTRIES)


@given(st.lists(st.integers(0, len(PACK)), max_size=40))
def test_any_cutting_of_the_stream_measures_the_same(cuts):
    meter = PackMeter(LIMITS)
    edges = [0, *sorted(cuts), len(PACK)]
    for start, end in itertools.pairwise(edges):
        if start < end:
            assert not meter.is_complete
            meter.feed(PACK[start:end])
    assert meter.is_complete
    assert list(meter.kinds) == [BLOB, BLOB, BLOB, REF_DELTA, BLOB]
    assert list(meter.offsets) == [12 + sum(map(len, _ENTRIES[:number])) for number in range(5)]


def test_stream_byte_by_byte_measures_the_same():
    meter = PackMeter(LIMITS)
    for number in range(len(PACK)):
        meter.feed(PACK[number : number + 1])
    assert meter.is_complete


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_incomplete_and_never_fails(data):
    meter = PackMeter(LIMITS)
    try:
        meter.feed(b"PACK\0\0\0\x02\0\0\0\x05" + data)
    except PackRefused as error:
        assert error.reason in ("broken pack", "file too large", "inflates too far")


def test_delta_counts_with_what_it_makes():
    delta = _entry(OFS_DELTA, b"\x05\x80\x80\x80\x01", base=bytes([len(_entry(BLOB, b"12345"))]))
    with pytest.raises(PackRefused) as caught:
        PackMeter(LIMITS).feed(_pack(_entry(BLOB, b"12345"), delta))
    assert caught.value.reason == "file too large"
    assert "1.0 MB" in caught.value.what


def test_too_many_objects_are_refused_at_the_header():
    with pytest.raises(PackRefused) as caught:
        PackMeter(LIMITS).feed(b"PACK\0\0\0\x02\xff\xff\xff\xff")
    assert caught.value.reason == "too many objects"


def test_limits_come_from_the_nodes_settings():
    settings = NodeSettings(largest_pack_mb=1, largest_inflated_mb=2, largest_blob_mb=3)
    assert choose_limits(settings) == PackLimits(1_000_000, 2_000_000, 3_000_000)
