"""What wrk prints, read."""

from __future__ import annotations

from benchmarks.wrk import Pace, parse_wrk

SAID = """\
Running 1s test @ http://127.0.0.1:8080/
  1 threads and 20 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.10ms    1.20ms  31.00ms   90.10%
    Req/Sec     4.80k   310.00     5.20k    70.00%
  Latency Distribution
     50%    3.90ms
     75%    4.40ms
     90%    5.10ms
     99%  500.00us
  4801 requests in 1.00s, 0.95MB read
"""


def test_rate_and_p99_are_read_in_their_units():
    assert parse_wrk(SAID + "Requests/sec:   4798.12\nTransfer/sec:      0.95MB\n") == Pace(4798.12, 0.5, 0)


def test_every_kind_of_failure_counts():
    errors = "  Socket errors: connect 1, read 2, write 0, timeout 3\n  Non-2xx or 3xx responses: 40\n"
    assert parse_wrk(f"{SAID}{errors}Requests/sec:   4798.12\n").failed == 46
