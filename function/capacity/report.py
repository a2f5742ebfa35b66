"""Reports of evaluations: a table, JSON, tfvars and a picture."""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from function.capacity.recommend import Evaluation
from function.sizing.prices import MONTH_SECONDS

_HEADINGS = ("settings", "p50", "p95", "p99", "cold", "429", "inst.-h", "$/month", "$/1,000")
_ROW_HEIGHT, _LABEL_WIDTH, _BAR_WIDTH = 30, 430, 300
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.quiet{fill:#59636e}.p95{fill:#54aeff}.p50{fill:#0969da}"
    "@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.quiet{fill:#9198a1}.p95{fill:#1f6feb}.p50{fill:#79c0ff}}"
)


def settings_text(evaluation: Evaluation) -> str:
    """Return the settings in a few words."""
    candidate = evaluation.candidate
    size = candidate.size
    words = [f"{size.platform} {size.cpus:g} vCPU {size.memory_mib} MiB", f"max {candidate.max_instances}"]
    if candidate.min_instances:
        words.append(f"min {candidate.min_instances}")
    if candidate.schedule:
        words.append(f"ping {candidate.schedule}")
    return ", ".join(words)


def as_table(evaluations: Sequence[Evaluation]) -> str:
    """Return the evaluations as a text table; times in seconds to the first token."""
    rows = [_HEADINGS, *(_cells(evaluation) for evaluation in evaluations)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = []
    for row in rows:
        numbers = "".join(f"{cell:>{width + 2}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append(f"{row[0]:<{widths[0]}}{numbers}")
    return "\n".join(lines) + "\n"


def _cells(evaluation: Evaluation) -> tuple[str, ...]:
    outcome, cost = evaluation.outcome, evaluation.cost
    share = 100 / max(outcome.requests, 1)
    return (
        settings_text(evaluation),
        *(f"{outcome.first_token.quantile(part):.1f} s" for part in (0.5, 0.95, 0.99)),
        f"{outcome.cold * share:.1f} %",
        f"{outcome.refused * share:.2f} %",
        f"{outcome.live_seconds / 3600 * MONTH_SECONDS / outcome.seconds:,.0f}",
        f"{cost.total:,.2f}",
        f"{cost.thousand:,.2f}",
    )


def as_json(evaluation: Evaluation) -> Mapping[str, object]:
    """Return one evaluation as plain values: seconds, shares of requests, US dollars."""
    candidate, outcome, cost = evaluation.candidate, evaluation.outcome, evaluation.cost
    requests = max(outcome.requests, 1)
    return {
        "platform": candidate.size.platform,
        "cpus": candidate.size.cpus,
        "memory_mib": candidate.size.memory_mib,
        "max_instances": candidate.max_instances,
        "min_instances": candidate.min_instances,
        "warmup_schedule": candidate.schedule,
        "requests": outcome.requests,
        "first_token_seconds": {
            name: round(outcome.first_token.quantile(share), 3)
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        },
        "wait_seconds_mean": round(outcome.wait.mean, 4),
        "cold_share": round(outcome.cold / requests, 5),
        "refused_share": round(outcome.refused / requests, 5),
        "instance_hours": round(outcome.live_seconds / 3600 * MONTH_SECONDS / outcome.seconds, 1),
        "cost_month": {
            name: round(getattr(cost, name), 4) for name in ("active", "warm", "requests", "storage", "total")
        },
        "cost_thousand": round(cost.thousand, 4),
    }


def as_tfvars(evaluation: Evaluation) -> str:
    """Return the settings as Terraform variables."""
    candidate = evaluation.candidate
    size = candidate.size
    lines = [f"max_instances = {candidate.max_instances}", f"min_instances = {candidate.min_instances}"]
    lines += [f"memory_mib = {size.memory_mib}"]
    if size.platform == "Cloud Run":
        lines.append(f"cpu = {size.cpus:g}")
    schedule = "null" if candidate.schedule is None else f'"{candidate.schedule}"'
    return "\n".join([*lines, f"warmup_schedule = {schedule}"]) + "\n"


def as_svg(evaluations: Sequence[Evaluation]) -> str:
    """Return a picture: for each evaluation the time to the first token (p50, p95) and the cost of a month."""
    longest = max((each.outcome.first_token.quantile(0.95) for each in evaluations), default=0) or 1
    width, height = _LABEL_WIDTH + _BAR_WIDTH + 190, _ROW_HEIGHT * (len(evaluations) + 1) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>Time to the first token, and cost</title><style>{_STYLE}</style>",
        f'<text x="8" y="20" class="quiet">settings</text><text x="{_LABEL_WIDTH}" y="20" class="quiet">'
        "first token: half of requests, 95 %</text>",
        f'<text x="{width - 8}" y="20" text-anchor="end" class="quiet">$ a month</text>',
    ]
    for row, each in enumerate(evaluations, 1):
        y = row * _ROW_HEIGHT
        p50, p95 = (each.outcome.first_token.quantile(share) for share in (0.5, 0.95))
        long, short = (round(_BAR_WIDTH * seconds / longest, 1) for seconds in (p95, p50))
        parts += [
            f'<text x="8" y="{y + 17}">{escape(settings_text(each))}</text>',
            f'<rect class="p95" x="{_LABEL_WIDTH}" y="{y + 4}" width="{long}" height="18" rx="3"/>',
            f'<rect class="p50" x="{_LABEL_WIDTH}" y="{y + 4}" width="{short}" height="18" rx="3"/>',
            f'<text x="{_LABEL_WIDTH + long + 6}" y="{y + 17}" class="quiet">{p50:.1f} / {p95:.1f} s</text>',
            f'<text x="{width - 8}" y="{y + 17}" text-anchor="end">{each.cost.total:,.2f}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
