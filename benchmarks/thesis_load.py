"""The thesis's load test, and ten and twenty times it: ``python -m benchmarks.thesis_load``.

Its k6 scenario (section 8.6): users from 0 to 5 within 10 s, 5 of them for 280 s, back to 0 within 10 s, one picture every 5 s
each. Here each user sends at fixed times, whether or not the picture before was answered (an open loop), and the plateau is
shorter unless ``--hold 280`` asks for it. On the thesis's cluster 64 % of the checks succeeded.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from benchmarks import harness, models, pictures, servers
from benchmarks.harness import Goal, Report
from benchmarks.load import Outcome, check, closed_loop, open_loop
from benchmarks.surroundings import given_or_new
from cosmoformer.settings import Settings

USERS, EVERY_S, RAMP_S = 5, 5.0, 10.0
LIMIT_S = 2.0
FACTORS = (1, 10, 20)


def arrivals(users: int, hold_s: float, ramp_s: float = RAMP_S, every_s: float = EVERY_S, seed: int = 0) -> list[float]:
    """When pictures are sent: each user begins somewhere on the ramp up, and ends as far into the ramp down."""
    generator = random.Random(seed)
    times = []
    for number in range(users):
        begin = ramp_s * (number + generator.random()) / users
        end = 2 * ramp_s + hold_s - begin
        times += [begin + every_s * turn for turn in range(int((end - begin) / every_s) + 1)]
    return sorted(times)


def main(argv: list[str] | None = None, around: Settings | None = None) -> Report:
    """Entry point.

    Args:
        argv: options.
        around: store and registry, where they run already.
    """
    parser = harness.parser("thesis_load", "The thesis's load test, and ten and twenty times it.")
    parser.add_argument("--hold", type=float, default=12.0, help="seconds of the plateau; the thesis's had 280")
    parser.add_argument("--overload", type=float, default=60.0, help="factor at which everybody is beyond capacity")
    options = parser.parse_args(argv)
    hold, ramp = (1.0, 1.0) if options.quick else (options.hold, RAMP_S)
    factors = (1,) if options.quick else (*FACTORS, options.overload)
    made = models.prepare()
    told = {"quick": options.quick, "hold_s": hold, "users": USERS}
    report = Report("thesis_load", f"{USERS} users with a picture every {EVERY_S:.0f} s each, and multiples", told)
    with (
        tempfile.TemporaryDirectory() as scratch,
        given_or_new(around, Path(scratch) / "system", made.artifact) as settings,
    ):
        folder, files = Path(scratch), pictures.endless()
        ours = servers.classify(settings, queue=None)  # admission as it is set by default
        for server in (ours,) if options.quick else (ours, servers.thesis(made)):
            with servers.started(server, folder) as running:
                check(running.target, next(files))
                closed_loop(running.target, files, 4, 0.5, warm_s=0.0 if options.quick else 4.0)
                for factor in factors if server is ours else factors[:2]:
                    times = arrivals(round(USERS * factor), hold, ramp)
                    _note(report, f"{server.name}, ×{factor:g}", open_loop(running.target, files, times))
    _judge(report, factors)
    harness.write(report, options.out)
    return report


def _note(report: Report, variant: str, outcome: Outcome) -> None:
    report.add(variant, "success within 2 s", [100 * outcome.within(LIMIT_S)], "%")
    report.add(variant, "requests", [len(outcome.seconds) + outcome.failures], "")
    report.add(variant, "refused", [outcome.refusals], "")
    if outcome.seconds:
        report.add(variant, "p95", [outcome.quantile(0.95)], "s")
    if outcome.refusal_seconds:
        report.add(variant, "p95 of refusals", [harness.percentile(outcome.refusal_seconds, 0.95)], "s")


def _judge(report: Report, factors: tuple[float, ...]) -> None:
    for factor in factors[:2]:
        value = report.median(f"{servers.OURS}, ×{factor:g}", "success within 2 s")
        report.goals.append(Goal(f"×{factor:g}: % within 2 s", value, 100.0, at_least=True))
    for factor in factors[2:]:  # beyond capacity, if it is: what is not answered in time must have been refused
        variant = f"{servers.OURS}, ×{factor:g}"
        figures = report.figures.get(variant, {})
        if "requests" in figures:
            refused = 100 * figures["refused"].median / figures["requests"].median
            value = figures["success within 2 s"].median + refused
            report.goals.append(Goal(f"×{factor:g}: % within 2 s or refused at once", value, 99.0, at_least=True))


if __name__ == "__main__":
    main()
