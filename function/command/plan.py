"""``python -m function plan URI``: what the model is, the memory it needs, where it fits; from one ranged read."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from function.command.progress_bar import bytes_of
from function.errors import SourceError
from function.gguf import Header, Incomplete, parse_header
from function.gguf.header import FIRST_READ
from function.gguf.memory import KV_BITS
from function.sizing.deployment import LAMBDA_DISK, MIB, DeploymentPlan, plan
from function.sizing.prices import Cost, Prices, cost, read
from function.sizing.prices import as_json as cost_as_json
from function.source import list_parts, open_source

HERE = Path("-")


EXAMPLES = """\
examples:
  python -m function plan gs://bucket/model.gguf                      before anything is fetched, from one ranged read
  python -m function plan model.gguf --n-ctx 16384 --kv-type q8_0     a longer context, kept smaller
  python -m function plan gs://bucket/model.gguf --tfvars FILE        what terraform checks an instance's size with
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("uri", help="gs://, s3://, https://, hf://owner/repository/file.gguf or a path")
    parser.add_argument("--n-ctx", type=int, metavar="TOKENS", help="the context to plan for; default: the engine's")
    parser.add_argument("--kv-type", choices=KV_BITS, default="f16", help="how keys and values are kept")
    parser.add_argument("--rate", type=float, default=500, metavar="MB/S", help="how fast the store delivers (500)")
    parser.add_argument(
        "--reply-seconds", type=float, default=10, metavar="S", help="how long a reply takes, for its price (10)"
    )
    parser.add_argument("--prices", type=Path, metavar="FILE", help="your prices, as TOML, in place of the list prices")
    parser.add_argument("--json", action="store_true", help="tell it all as one JSON object")
    parser.add_argument(
        "--tfvars",
        nargs="?",
        type=Path,
        const=HERE,
        metavar="FILE",
        help="write the figures that terraform checks sizes with, alone to the output or to FILE",
    )


def run(args: argparse.Namespace) -> int:
    header, size = describe(args.uri)
    made = plan(args.uri, header, size=size, n_ctx=args.n_ctx, kv_type=args.kv_type, rate=args.rate * 1e6)
    prices = read(args.prices)
    fitting = [size for size in made.sizes if size.problem is None]
    costs = [cost(size, made.chosen.weights, prices, args.reply_seconds) for size in fitting]
    if args.tfvars == HERE:
        sys.stdout.write(made.tfvars())
        return 0
    if args.tfvars:
        args.tfvars.write_text(made.tfvars())
    if args.json:
        priced = {"as_of": prices.as_of, "reply_seconds": args.reply_seconds, "sizes": list(map(cost_as_json, costs))}
        sys.stdout.write(json.dumps(as_json(made) | {"prices": priced}) + "\n")
    else:
        sys.stdout.write(as_text(made) + costs_as_text(costs, prices, args.reply_seconds))
    return 0


def describe(uri: str) -> tuple[Header, int]:
    """The header, and the bytes of all files of the model. Raises SourceError, NotGGUF, ModelError."""
    size, header = 0, None
    for part in list_parts(uri):
        source = open_source(part)
        info = source.describe()
        if info.size is None:
            raise SourceError(f"{part}: the server does not say how large the file is; fetch it first.", uri=part)
        size += info.size
        wanted = min(info.size, FIRST_READ)
        while header is None:
            buffer = bytearray(wanted)
            source.read(info, 0, memoryview(buffer))
            try:
                header = parse_header(bytes(buffer), file_size=info.size)
            except Incomplete as e:
                wanted = e.needed
    assert header is not None  # a model has at least one part
    return header, size


def as_json(made: DeploymentPlan) -> dict[str, object]:
    """The plan as plain values; every number of bytes in bytes."""
    header = made.header
    names = ("architecture", "name", "quantisation", "parameters", "context_length", "block_count", "vocabulary_size")
    return {
        "uri": made.uri,
        "model": {name: getattr(header, name) for name in names} | {"chat_template": header.chat_template is not None},
        "chosen": asdict(made.chosen) | {"total": made.chosen.total},
        "memory": [{"n_ctx": row.n_ctx, "kv_type": row.kv_type, "total": row.total} for row in made.rows],
        "sizes": [asdict(size) for size in made.sizes],
        "cold_start_seconds": round(made.cold_start, 2),
        "rate": made.rate,
    }


def as_text(made: DeploymentPlan) -> str:
    """The plan for people."""
    header, chosen = made.header, made.chosen
    template = "has a chat template" if header.chat_template else "has no chat template"
    lines = [
        f"{header.name or made.uri}: {header.architecture}, {header.parameters / 1e6:,.0f} M parameters, "
        f"{header.quantisation}, {bytes_of(chosen.weights)}, trained for {header.context_length:,} tokens, {template}",
        "",
        f"Memory with {chosen.n_ctx:,} tokens of context, keys and values in {chosen.kv_type}:",
        *(
            f"  {name:13}{bytes_of(getattr(chosen, name)):>9}"
            for name in ("weights", "kv_cache", "prefix_cache", "compute", "vocabulary", "program", "total")
        ),
        "",
        "In all, by context and KV type:",
    ]
    kinds = list(dict.fromkeys(row.kv_type for row in made.rows))
    lines.append(f"  {'tokens':>8}" + "".join(f"{kind:>11}" for kind in kinds))
    for context in dict.fromkeys(row.n_ctx for row in made.rows):
        totals = [row.total for row in made.rows if row.n_ctx == context]
        lines.append(f"  {context:>8,}" + "".join(f"{bytes_of(total):>11}" for total in totals))
    lines += ["", "Where it fits (the file counts as memory, in /tmp as in the page cache):"]
    for size in made.sizes:
        fits = f"{size.memory_mib} MiB" if size.problem is None else f"no: {size.problem}"
        lines.append(f"  {size.platform:10}{size.cpus:>4g} vCPU  {fits}")
    disk = max(LAMBDA_DISK[0], -(-chosen.weights // MIB))
    lines += [
        "",
        f"Lambda needs {disk} MiB of /tmp for the file, or MODEL_CACHE=memory."
        if disk <= LAMBDA_DISK[1]
        else "Lambda's /tmp is too small.",
        f"Expected cold start at {made.rate / 1e6:,.0f} MB/s: {made.cold_start:.1f} s to the first token.",
    ]
    return "\n".join(lines) + "\n"


def costs_as_text(costs: Sequence[Cost], prices: Prices, reply_seconds: float) -> str:
    """The sizes' prices for people."""
    if not costs:
        return ""
    head = f"In US dollars, by list prices of {prices.as_of} (check them: {prices.check[0]}, …)"
    lines = ["", head + f", replies of {reply_seconds:g} s:"]
    lines.append(f"  {'':10}{'vCPU':>6}{'MiB':>8}{'at rest':>12}{'an hour':>12}{'1,000 replies':>15}{'kept warm':>14}")
    for each in costs:
        size = f"  {each.size.platform:10}{each.size.cpus:>6g}{each.size.memory_mib:>8}"
        month = f"{each.rest:>6.2f}/month{each.hour:>12.3f}{each.thousand:>15.2f}{each.warm:>+8.2f}/month"
        lines.append(size + month)
    return "\n".join(lines) + "\n"
