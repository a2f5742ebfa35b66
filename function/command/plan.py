"""``python -m function plan URI``: show what a model is, its memory, where it fits and its cost."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from function.command.output import format_bytes, print_result
from function.gguf import Header
from function.gguf.memory import KV_BITS
from function.lifecycle.early_header import read_remote_header
from function.settings import Settings
from function.sizing.deployment import LAMBDA_DISK_MIB, DeploymentPlan, plan_deployment
from function.sizing.load_plan import MIB
from function.sizing.prices import Cost, Prices, as_json, compute_cost, read_prices

STDOUT = Path("-")

EXAMPLES = """\
examples:
  python -m function plan gs://bucket/model.gguf
      before the model is fetched, from one ranged read
  python -m function plan model.gguf --n-ctx 16384 --kv-type q8_0
      a longer context, a smaller KV cache
  python -m function plan gs://bucket/model.gguf --tfvars FILE
      the values by which terraform checks the size
"""


def configure(parser: argparse.ArgumentParser) -> None:
    add, kinds = parser.add_argument, ", ".join(KV_BITS)
    add("uri", nargs="?", help="gs://, s3://, https://, hf://owner/repository/file.gguf or a path; default: MODEL_URI")
    add("--n-ctx", type=int, metavar="TOKENS", help="the context to plan for; default: N_CTX")
    add("--kv-type", choices=KV_BITS, metavar="TYPE", help=f"the type of the KV cache: {kinds}; default: KV_TYPE")
    add("--rate", type=float, default=500, metavar="MB/S", help="the speed of the download (500)")
    add("--reply-seconds", type=float, default=10, metavar="S", help="the duration of a reply, for its price (10)")
    add("--prices", type=Path, metavar="FILE", help="your prices, as TOML, in place of the list prices")
    tfvars_help = "write the values by which terraform checks sizes to FILE, or print nothing else"
    add("--tfvars", nargs="?", type=Path, const=STDOUT, metavar="FILE", help=tfvars_help)


def run(args: argparse.Namespace) -> int:
    settings = Settings.from_env()
    uri = args.uri or settings.model_uri
    header, size = read_remote_header(uri)
    header = header.with_pooling(settings.pooling)
    plan = plan_deployment(
        uri,
        header,
        size=size,
        n_ctx=args.n_ctx or settings.n_ctx,
        kv_type=args.kv_type or settings.kv_type,
        prefix_cache_mb=settings.prefix_cache_mb,
        rate=args.rate * 1e6,
    )
    prices = read_prices(args.prices)
    fitting = [size for size in plan.sizes if size.problem is None]
    costs = [compute_cost(size, plan.chosen.weights, prices, args.reply_seconds) for size in fitting]
    if args.tfvars == STDOUT:
        sys.stdout.write(plan.tfvars())
        return 0
    if args.tfvars:
        args.tfvars.write_text(plan.tfvars())
    priced = {"as_of": prices.as_of, "reply_seconds": args.reply_seconds, "sizes": list(map(as_json, costs))}
    text = _format_plan(plan) + _format_costs(costs, prices, args.reply_seconds)
    return print_result(args, {**_as_json(plan), "prices": priced}, text)


def describe_model(header: Header) -> dict[str, object]:
    """Return the properties of a model as plain values."""
    names = (
        "kind", "pooling", "architecture", "name", "quantisation", "parameters", "context_length", "embedding_length",
        "block_count", "vocabulary_size",
    )  # fmt: skip
    return {name: getattr(header, name) for name in names} | {"chat_template": header.chat_template is not None}


def describe_use(header: Header) -> str:
    """Return the use of a model in words: its kind, and its chat template or the size of its vectors."""
    if header.kind == "reranker":
        return "a reranker"
    if header.kind == "embedding":
        return f"an embedding model, vectors of {header.embedding_length:,} elements, pooling {header.pooling}"
    return f"a chat model, with {'a' if header.chat_template else 'no'} chat template"


def _as_json(plan: DeploymentPlan) -> dict[str, object]:
    """Return the plan as plain values; sizes in bytes."""
    return {
        "uri": plan.uri,
        "model": describe_model(plan.header),
        "chosen": asdict(plan.chosen) | {"total": plan.chosen.total},
        "memory": [{"n_ctx": row.n_ctx, "kv_type": row.kv_type, "total": row.total} for row in plan.rows],
        "sizes": list(map(asdict, plan.sizes)),
        "cold_start_seconds": round(plan.cold_start, 2),
        "rate": plan.rate,
    }


def _format_plan(plan: DeploymentPlan) -> str:
    header, chosen = plan.header, plan.chosen
    names = ("weights", "kv_cache", "prefix_cache", "compute", "vocabulary", "program", "total")
    lines = [
        f"{header.name or plan.uri}: {header.architecture}, {header.parameters / 1e6:,.0f} M parameters, "
        f"{header.quantisation}, {format_bytes(chosen.weights)}, "
        f"trained for {header.context_length:,} tokens; {describe_use(header)}",
        "",
        f"Memory with {chosen.n_ctx:,} tokens of context, keys and values in {chosen.kv_type}:"
        if chosen.kv_cache
        else f"Memory with inputs of up to {chosen.n_ctx:,} tokens:",
        *(f"  {name:13}{format_bytes(getattr(chosen, name)):>9}" for name in names),
        "",
        "Total, by context and KV type:",
    ]
    kinds = list(dict.fromkeys(row.kv_type for row in plan.rows))
    lines.append(f"  {'tokens':>8}" + "".join(f"{kind:>11}" for kind in kinds))
    for context in dict.fromkeys(row.n_ctx for row in plan.rows):
        totals = [row.total for row in plan.rows if row.n_ctx == context]
        lines.append(f"  {context:>8,}" + "".join(f"{format_bytes(total):>11}" for total in totals))
    lines += ["", "Instance sizes (the file counts as memory, in /tmp as in the page cache):"]
    for size in plan.sizes:
        fits = f"{size.memory_mib} MiB" if size.problem is None else f"no: {size.problem}"
        lines.append(f"  {size.platform:10}{size.cpus:>4g} vCPU  {fits}")
    disk = max(LAMBDA_DISK_MIB[0], -(-chosen.weights // MIB))
    fits_disk = disk <= LAMBDA_DISK_MIB[1]
    lines += [
        "",
        f"Lambda needs {disk} MiB of /tmp for the file, or MODEL_CACHE=memory."
        if fits_disk
        else "Lambda's /tmp is too small.",
        f"Expected cold start at {plan.rate / 1e6:,.0f} MB/s: {plan.cold_start:.1f} s to the first "
        + ("token." if header.kind == "chat" else "result."),
    ]
    return "\n".join(lines) + "\n"


def _format_costs(costs: Sequence[Cost], prices: Prices, reply_seconds: float) -> str:
    if not costs:
        return ""
    lines = [
        "",
        f"In US dollars, by list prices of {prices.as_of}, replies of {reply_seconds:g} s:",
        f"  {'':10}{'vCPU':>6}{'MiB':>8}{'at rest':>13}{'an hour':>10}{'1,000 replies':>15}{'kept warm':>16}",
    ]
    for each in costs:
        size = f"  {each.size.platform:10}{each.size.cpus:>6g}{each.size.memory_mib:>8}"
        rest, hour, thousand = f"${each.rest:.2f}/month", f"${each.hour:.3f}", f"${each.thousand:.2f}"
        lines.append(f"{size}{rest:>13}{hour:>10}{thousand:>15}{f'+${each.warm:.2f}/month':>16}")
    lines += ["Check them:", *(f"  {url}" for url in prices.check)]
    return "\n".join(lines) + "\n"
