"""``python -m function capacity``: simulate traffic: how long people wait, what it costs, and what would be cheaper."""

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from function.capacity.estimates import estimate_speeds, scale_speeds
from function.capacity.lengths import Lengths, RecordedLengths, parse_lengths
from function.capacity.recommend import Candidate, Evaluation, Workload, evaluate, recommend
from function.capacity.recorded import Recording, read_recording
from function.capacity.report import as_json, as_svg, as_table, as_tfvars
from function.capacity.simulation import Speeds
from function.capacity.traffic import (
    DAILY,
    MINUTES_PER_WEEK,
    WEEK_SECONDS,
    WEEKLY,
    Arrivals,
    PoissonArrivals,
    RecordedArrivals,
    Spike,
    weekly_rates,
)
from function.command.output import print_result
from function.errors import SettingsError
from function.gguf import Header
from function.lifecycle.early_header import read_remote_header
from function.settings import Settings
from function.sizing.deployment import CLOUD_RUN_MIB, DeploymentPlan, InstanceSize, plan_deployment
from function.sizing.prices import Prices, read_prices

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SHOWN_ALTERNATIVES = 4
MAX_PERIOD_DAYS = 366

EXAMPLES = """\
examples:
  python -m function capacity gs://bucket/model.gguf --per-hour 20 \\
      --daily office --weekly workdays
  python -m function capacity model.gguf --log requests.json \\
      --recommend --p95-first-token 3
  python -m function capacity model.gguf --per-hour 5 \\
      --spike 'wed 20:00 400 30' --svg picture.svg
"""


class PlannedModel(NamedTuple):
    """A model's header and plan."""

    header: Header
    plan: DeploymentPlan


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("uri", nargs="?", help="model to plan for: gives its size, cold start and rough speeds")
    traffic = parser.add_argument_group("traffic")
    traffic.add_argument("--per-hour", type=_positive, metavar="N", help="requests per hour, mean of the week (10)")
    traffic.add_argument("--daily", default="flat", metavar="SHAPE", help=f"{', '.join(DAILY)}, or 24 weights (UTC)")
    traffic.add_argument("--weekly", default="flat", metavar="SHAPE", help=f"{', '.join(WEEKLY)}, or 7 weights")
    traffic.add_argument(
        "--spike", action="append", default=[], metavar="SPIKE", help="'DAY HH:MM REQUESTS MINUTES', each week"
    )
    traffic.add_argument("--log", type=Path, metavar="FILE", help="log or CSV of arrivals, in place of a rate")
    traffic.add_argument("--days", type=_positive, default=28, help="days to simulate (28)")
    traffic.add_argument("--prompt", metavar="TOKENS", help="N, exp:MEAN or MEDIAN:P95 (200:1500)")
    traffic.add_argument("--reply", metavar="TOKENS", help="the same for replies (120:600)")
    instance = parser.add_argument_group("instances")
    instance.add_argument("--platform", choices=("cloud-run", "lambda"), default="cloud-run")
    instance.add_argument("--size", metavar="CPUS:MIB", help="instance size; default: the second that fits the model")
    instance.add_argument("--max-instances", type=int, default=3, metavar="N", help="(3)")
    instance.add_argument("--min-instances", type=int, default=0, metavar="N", help="(0)")
    instance.add_argument("--queue-size", type=int, metavar="N", help="may wait for each busy instance (no limit)")
    instance.add_argument("--warmup", metavar="CRON", help="schedule of pings, like '*/10 7-18 * * 1-5'")
    instance.add_argument("--idle-minutes", type=_positive, default=15, metavar="M", help="until one ends (15)")
    speeds = parser.add_argument_group("speeds, measured; default: from the log, else estimated from the model")
    speeds.add_argument("--cold-start", type=_positive, metavar="SECONDS", help="from a start to a first token")
    speeds.add_argument("--prefill", type=_positive, metavar="TOKENS/S", help="prompt tokens per second")
    speeds.add_argument("--decode", type=_positive, metavar="TOKENS/S", help="reply tokens per second")
    parser.add_argument("--recommend", action="store_true", help="search for the cheapest settings that hold a target")
    parser.add_argument("--p95-first-token", type=_positive, default=3, metavar="SECONDS", help="the target (3)")
    parser.add_argument("--prices", type=Path, metavar="FILE", help="prices as TOML, in place of the list prices")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same figures (1)")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a picture")
    parser.add_argument("--tfvars", type=Path, metavar="FILE", help="write the recommended settings for terraform")


def run(args: argparse.Namespace) -> int:
    prices = read_prices(args.prices)
    model = _model(args.uri)
    recording = read_recording(args.log) if args.log else None
    sizes = _sizes(args, model)
    speeds = [(size, _speeds(args, model, recording, size, sizes[0])) for size in sizes]
    workload = Workload(
        _arrivals(args, recording),
        _lengths(args.prompt, recording and recording.prompts, "200:1500"),
        _lengths(args.reply, recording and recording.replies, "120:600"),
        model.plan.chosen.weights if model else 0,
        args.seed,
    )
    if not 0 <= args.min_instances <= args.max_instances or args.max_instances < 1:
        raise SettingsError("--min-instances must be between 0 and --max-instances, and --max-instances at least 1.")
    if args.queue_size is not None and args.queue_size < 0:
        raise SettingsError("--queue-size must be 0 or more.")
    given = Candidate(
        *speeds[0],
        max_instances=args.max_instances,
        min_instances=args.min_instances,
        schedule=args.warmup,
        idle_seconds=args.idle_minutes * 60,
        queue_size=math.inf if args.queue_size is None else args.queue_size,
    )
    evaluation = evaluate(workload, given, prices)
    found = recommend(workload, given, speeds, prices, args.p95_first_token) if args.recommend else []
    _write(args, evaluation, found)
    return _print(args, evaluation, found, prices)


def _write(args: argparse.Namespace, evaluation: Evaluation, found: list[Evaluation]) -> None:
    best = found[0] if found else evaluation
    if args.tfvars:
        args.tfvars.write_text(as_tfvars(best))
    if args.svg:
        args.svg.write_text(as_svg([evaluation, *found[:SHOWN_ALTERNATIVES]]))


def _print(args: argparse.Namespace, evaluation: Evaluation, found: list[Evaluation], prices: Prices) -> int:
    target = args.p95_first_token
    best = next((each for each in found if each.holds(target)), None)
    report: dict[str, object] = {"given": as_json(evaluation), "prices_as_of": prices.as_of, "seed": args.seed}
    if args.recommend:
        report |= {
            "target_p95_first_token_seconds": target,
            "recommended": as_json(best) if best else None,
            "alternatives": [as_json(each) for each in found[:SHOWN_ALTERNATIVES]],
        }
    days = evaluation.outcome.seconds / 86_400
    lines = [f"{evaluation.outcome.requests:,} requests in {days:g} days; seconds are to the first token.", ""]
    lines += [as_table([evaluation, *found[:SHOWN_ALTERNATIVES]])]
    if best is not None:
        saved = evaluation.cost.total - best.cost.total
        change = f"saves {saved:,.2f}" if saved >= 0 else f"costs {-saved:,.2f} more"
        lines.append(f"Cheapest with 95 % of first tokens within {target:g} s: the second row; it {change} $ a month.")
    elif args.recommend:
        fastest = found[0].outcome.first_token.quantile(0.95)
        lines.append(f"No settings tried hold 95 % of first tokens within {target:g} s; the best is {fastest:.1f} s.")
    lines.append(f"List prices of {prices.as_of}: check them ({prices.check[0]}), or give your own with --prices.")
    return print_result(args, report, "\n".join(lines) + "\n")


def _model(uri: str | None) -> PlannedModel | None:
    if uri is None:
        return None
    header, size = read_remote_header(uri)
    settings = Settings.from_env()
    plan = plan_deployment(
        uri,
        header,
        size=size,
        n_ctx=settings.n_ctx,
        kv_type=settings.kv_type,
        prefix_cache_mb=settings.prefix_cache_mb,
        rate=500e6,
    )
    return PlannedModel(header, plan)


def _sizes(args: argparse.Namespace, model: PlannedModel | None) -> list[InstanceSize]:
    """Return the sizes to look at, the given one first."""
    name = "Cloud Run" if args.platform == "cloud-run" else "Lambda"
    if model:
        fitting = [each for each in model.plan.sizes if each.problem is None and each.platform == name]
    else:
        fitting = [InstanceSize("Cloud Run", cpus, least, None) for cpus, (least, _) in CLOUD_RUN_MIB.items()]
        fitting = fitting if name == "Cloud Run" else [InstanceSize("Lambda", 2, 3538, None)]
    if args.size:
        try:
            cpus, memory = args.size.split(":")
            chosen = InstanceSize(name, float(cpus), int(memory), None)
        except ValueError as e:
            raise SettingsError(f"--size {args.size}: give vCPUs and MiB, like 4:8192.") from e
        larger = fitting if model else [_at_least(each, chosen.memory_mib) for each in fitting]
        return [chosen, *(each for each in larger if each and each != chosen)]
    if not fitting:
        raise SettingsError(f"The model fits no instance of {name}: see `plan`.")
    first = fitting[min(1, len(fitting) - 1)]
    return [first, *(each for each in fitting if each != first)]


def _at_least(size: InstanceSize, memory_mib: int) -> InstanceSize | None:
    """Return ``size`` with that much memory; None where the platform has no such size."""
    if size.platform != "Cloud Run":
        return size if size.memory_mib >= memory_mib else None
    least, most = CLOUD_RUN_MIB[int(size.cpus)]
    return replace(size, memory_mib=max(least, memory_mib)) if memory_mib <= most else None


def _speeds(
    args: argparse.Namespace,
    model: PlannedModel | None,
    recording: Recording | None,
    size: InstanceSize,
    given: InstanceSize,
) -> Speeds:
    """Return the speeds of ``size``: measured at the ``given`` size and scaled, or estimated from the model."""
    measured = {
        "cold_start_seconds": args.cold_start or (recording and recording.cold_start_seconds),
        "prefill_per_second": args.prefill or (recording and recording.prefill_per_second),
        "decode_per_second": args.decode or (recording and recording.decode_per_second),
    }
    known = {name: value for name, value in measured.items() if value}
    if model:
        bytes_ = model.plan.chosen.weights
        base = estimate_speeds(model.header.parameters, bytes_, given.cpus, model.plan.cold_start)
    elif len(known) == len(measured):
        base = Speeds(**known)
    else:
        missing = ", ".join(name for name in ("cold-start", "prefill", "decode") if not measured[_FIELDS[name]])
        raise SettingsError(f"Give the model's URI, or its speeds: --{missing.replace(', ', ', --')}.")
    return scale_speeds(replace(base, **known), given.cpus, size.cpus)


_FIELDS = {"cold-start": "cold_start_seconds", "prefill": "prefill_per_second", "decode": "decode_per_second"}


def _arrivals(args: argparse.Namespace, recording: Recording | None) -> Arrivals:
    if recording is not None:
        if args.per_hour or args.spike:
            raise SettingsError("--log brings its own arrivals: leave out --per-hour and --spike.")
        return RecordedArrivals(recording.times, recording.seconds)
    if args.days > MAX_PERIOD_DAYS:
        raise SettingsError(f"--days is at most {MAX_PERIOD_DAYS}.")
    daily = _weights(args.daily, DAILY, 24, "--daily")
    weekly = _weights(args.weekly, WEEKLY, 7, "--weekly")
    rates = weekly_rates(args.per_hour or 10, daily, weekly, [_spike(text) for text in args.spike])
    return PoissonArrivals(rates, args.days * WEEK_SECONDS / 7)


def _weights(text: str, named: object, count: int, option: str) -> list[float]:
    assert isinstance(named, dict)
    if text in named:
        return list(named[text])
    try:
        weights = [float(each) for each in text.split(",")]
    except ValueError:
        weights = []
    if len(weights) != count or min(weights) < 0 or sum(weights) <= 0:
        raise SettingsError(f"{option} {text}: give {', '.join(named)}, or {count} weights separated by commas.")
    return weights


def _spike(text: str) -> Spike:
    try:
        day, clock, requests, minutes = text.lower().split()
        hour, minute = map(int, clock.split(":"))
        start = WEEKDAYS.index(day[:3]) * 1440 + hour * 60 + minute
        spike = Spike(start % MINUTES_PER_WEEK, float(requests), int(minutes))
        if not (0 <= hour < 24 and 0 <= minute < 60 and spike.requests > 0 and 0 < spike.minutes <= MINUTES_PER_WEEK):
            raise ValueError
    except ValueError as e:
        raise SettingsError(f"--spike {text!r}: give day, time, requests and minutes, like 'wed 20:00 400 30'.") from e
    return spike


def _lengths(text: str | None, recorded: object, default: str) -> Lengths:
    if text is None and recorded is not None and len(recorded):  # type: ignore[arg-type]  # an array
        return RecordedLengths(recorded)  # type: ignore[arg-type]
    return parse_lengths(text or default)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value
