"""What goes down the wire while a push is under way."""

from __future__ import annotations

import os
import threading

from receiver.sideband import SideBand


def _pipes():
    return (*os.pipe(), *os.pipe())


def test_lines_go_to_side_band_two():
    reader, writer, _, err = _pipes()
    band = SideBand(writer, err)
    band.open()
    band.line("-----> hé")
    assert os.read(reader, 100) == b"0010\x02-----> h\xc3\xa9\n"


def test_long_line_is_cut_into_packets_that_a_pipe_takes_whole():
    reader, writer, _, err = _pipes()
    band = SideBand(writer, err)
    band.open()
    band.line("x" * 9000)
    data, texts = os.read(reader, 65536), []
    while data:
        size = int(data[:4], 16)
        assert size <= 4096
        assert data[4:5] == b"\x02"
        texts.append(data[5:size])
        data = data[size:]
    assert b"".join(texts) == b"x" * 9000 + b"\n"


def test_lines_before_the_side_band_is_open_go_to_stderr():
    _, writer, reader, err = _pipes()
    SideBand(writer, err).line("v18 is live.")
    assert os.read(reader, 100) == b"remote: v18 is live.\n"


def test_silence_is_broken_by_empty_packets():
    reader, writer, _, err = _pipes()
    band = SideBand(writer, err)
    band.open()
    with band.keep_alive(0.01):
        assert os.read(reader, 10) == b"0005\x02"
    band.line("x")
    assert os.read(reader, 100).endswith(b"0007\x02x\n")


def test_lines_of_several_threads_stay_whole():
    reader, writer, _, err = _pipes()
    band = SideBand(writer, err)
    band.open()
    with band.keep_alive(0.001):
        threads = [threading.Thread(target=lambda: [band.line("y" * 50) for _ in range(100)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    os.close(writer)
    data = b"".join(iter(lambda: os.read(reader, 65536), b"")).replace(b"0005\x02", b"")
    assert data == (b"0038\x02" + b"y" * 50 + b"\n") * 400


def test_pusher_who_left_is_noticed_and_nothing_raises():
    reader, writer, _, err = _pipes()
    band = SideBand(writer, err)
    band.open()
    assert not band.is_gone()
    os.close(reader)
    assert band.is_gone()
    band.line("nobody reads this")
    assert band.write(b"0000") == 4
    assert band.is_gone()


def test_pusher_whose_terminal_stands_still_holds_nothing_up():
    reader, writer, _, err = _pipes()
    band = SideBand(writer, err, patience_s=0.01)
    band.open()
    for _ in range(2000):
        band.line("z" * 100)
    assert not band.is_gone()
    os.read(reader, 1 << 20)
    band.line("back again")
    assert os.read(reader, 100).endswith(b"back again\n")
