"""How many requests go through the node's router, beside the same router, configured by hand, before the same app."""

from __future__ import annotations

from benchmarks.figure import Figure, at_least, at_most
from benchmarks.hand_made import HandMade, find_app
from benchmarks.live_node import LiveNode
from benchmarks.pushes import push_app
from benchmarks.sample_apps import flask_files
from benchmarks.scale import Scale
from benchmarks.section import Section
from benchmarks.wrk import CONNECTIONS, Target, compare, list_failed, run_in_turn

ROUNDS = 7
SECONDS = 4
APP = "bench"


def measure_throughput(scale: Scale) -> Section:
    figures: list[Figure] = []
    failures: list[str] = []
    rounds, seconds = scale.count(ROUNDS), SECONDS if not scale.is_quick else 1
    for router in ("nginx", "caddy"):
        with LiveNode.running("--router", router) as node, HandMade.in_new_folder() as by_hand:
            push_app(node, APP, flask_files("0"))
            by_hand.start_gunicorn(find_app(node, APP))
            host = node.host(APP)
            if router == "nginx":
                port = by_hand.start_nginx({"app": f"unix:{by_hand.folder}/app.sock"})["app"]
            else:
                port = by_hand.start_caddy(f"unix/{by_hand.folder}/app.sock")
            targets = {"node": Target(node.http_port, host), "hand-made": Target(port, host)}
            paces = run_in_turn(targets, rounds, seconds)
        aims = (at_least(0.97), at_most(1.1)) if router == "nginx" else (None, None)
        figures += compare(router, paces["node"], paces["hand-made"], "hand-made", *aims)
        failures += list_failed(paces)
    return Section(
        "Requests through the node",
        [
            f"wrk, one thread, {CONNECTIONS} connections, {rounds} rounds of {seconds} s each, ours and the rival's in "
            "turn; the factor is that of each round. The rival: the same router, configured by hand with one upstream, "
            "and gunicorn with the same code, virtualenv and workers. By hand Caddy keeps connections to gunicorn."
        ],
        figures,
        failures=failures,
    )
