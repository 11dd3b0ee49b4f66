"""What telemetry costs a request: CPU time, throughput and latency of one served model under several kinds of it.

One `bentoml serve` with one worker for each kind, all up at the same time, loaded in turn in random order: every round
loads each server once over 1 and once over 8 connections, then waits until that server has come to rest, so that what
it does in the background (batching, encoding, sending) is charged to the requests that caused it. CPU time is the
worker process's, all threads and children included; the OTLP sink is another process. Servers run on one CPU, client
and sink on another. After the rounds, requests at a fixed rate give the latencies, measured from the planned time.

`--surfaces` measures other ways of serving instead, one after the other, each plain and observed with everything on:
adaptive batches, a stream, a call of another service, a legacy runner. CPU time is then that of all processes that
serve, the dependency's and the runner's too; a batch has as many requests as the table says, by BentoML's own metric.

Absolute CPU figures are the lower quartile of the rounds, throughputs the upper, latencies those of all requests;
ratios are medians of the ratios within a round, for latencies of the quantile within a round. `plain_again/plain`
compares two equal servers: what differs less than that is noise.

    python benchmarks/request_overhead.py [--quick] [--variants plain,asgi] [--profile bento_observe]
    python benchmarks/request_overhead.py --surfaces all|batch,stream,dependency,runner [--quick] [--profile plain]
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterable

from _overhead import across, kinds
from _overhead.profiling import profile
from _report import json_line, progress
from _serving import variants
from _serving.surfaces import MAIN, REQUEST, SURFACES

_ALL = "all"
_NOT_ACROSS = {variants.BENTOML_OTLP, variants.ASGI, variants.ASGI_ALONE}


def main() -> None:
    """Command line."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped then, too
    surfaces = [SURFACES[name] for name in arguments.surfaces]
    if arguments.profile:
        for surface in surfaces or [REQUEST]:
            profile(surface, arguments.profile, arguments.quick)
        return
    figures: dict[str, float] = {}
    ratios: dict[str, float] = {}
    if not surfaces:
        figures, ratios = kinds.compare(arguments.variants or variants.DEFAULT, arguments.quick)
    for surface in surfaces:
        progress(f"{surface.name}: {surface.title}")
        more_figures, more_ratios = across.compare(surface, arguments.variants or variants.ACROSS, arguments.quick)
        figures.update(more_figures)
        ratios.update(more_ratios)
    json_line("request_overhead", figures, ratios)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def names(text: str, among: Iterable[str]) -> list[str]:
        found = list(dict.fromkeys(text.split(",")))
        if unknown := set(found) - set(among):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not among {', '.join(among)}")
        return found

    def surfaces(text: str) -> list[str]:
        return [surface.name for surface in MAIN] if text == _ALL else names(text, SURFACES)

    parser.add_argument("--quick", action="store_true", help="under 50 s, all surfaces under 90 s; with more noise")
    parser.add_argument("--variants", type=lambda text: names(text, variants.VARIANTS), help="comma separated")
    parser.add_argument(
        "--surfaces",
        type=surfaces,
        default=[],
        help=f"comma separated, of {', '.join(SURFACES)}; {_ALL}: the first {len(MAIN)}",
    )
    parser.add_argument("--profile", choices=variants.VARIANTS, help="show where this one's CPU time goes instead")
    arguments = parser.parse_args()
    asked = {*(arguments.variants or ()), arguments.profile}
    if arguments.surfaces and (missing := asked & _NOT_ACROSS):
        parser.error(f"{', '.join(sorted(missing))}: not with --surfaces")
    return arguments


if __name__ == "__main__":
    main()
