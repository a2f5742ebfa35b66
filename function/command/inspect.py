"""``python -m function inspect FILE|URI``: what a GGUF's header holds: metadata, tensors, the chat template."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping

from function.command.plan import as_json as plan_as_json
from function.command.plan import describe
from function.command.progress_bar import bytes_of
from function.gguf import Header
from function.gguf.reader import Array, Value
from function.sizing.deployment import plan_deployment

WIDTH = 96  # characters of a value that are shown

EXAMPLES = """\
examples:
  python -m function inspect model.gguf                     a summary: the model, its metadata, its tensors by type
  python -m function inspect gs://bucket/model.gguf         from one ranged read, without fetching it
  python -m function inspect model.gguf --tensors           each tensor: type, shape, bytes, where it lies
  python -m function inspect model.gguf --template          the chat template alone, to change it and set CHAT_TEMPLATE
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("uri", help="a path, gs://, s3://, https:// or hf://owner/repository/file.gguf")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--tensors", action="store_true", help="list every tensor")
    what.add_argument("--template", action="store_true", help="print the chat template alone")
    what.add_argument("--json", action="store_true", help="tell it all as one JSON object, tensors included")


def run(args: argparse.Namespace) -> int:
    header, size = describe(args.uri)
    if args.template:
        sys.stdout.write(header.chat_template or "")
        if header.chat_template is None:
            sys.stderr.write("The model brings no chat template; the function chooses one by its vocabulary.\n")
        return 0 if header.chat_template else 1
    if args.json:
        sys.stdout.write(json.dumps(as_json(args.uri, header, size)) + "\n")
    elif args.tensors:
        sys.stdout.write("".join(f"{line}\n" for line in _tensors(header)))
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _summary(header, size)))
    return 0


def as_json(uri: str, header: Header, size: int) -> dict[str, object]:
    """The header as plain values. Arrays of the metadata are told by their length: vocabularies are long."""
    made = plan_deployment(uri, header, size=size, n_ctx=None, kv_type="f16", rate=1e9)
    return {
        "uri": uri,
        "size": size,
        "model": plan_as_json(made)["model"],
        "tokenizer": header.tokenizer,
        "chat_template": header.chat_template,
        "metadata": {key: _plain(value) for key, value in header.metadata.items()},
        "tensors": [
            {
                "name": tensor.name,
                "type": tensor.type.name,
                "shape": list(tensor.dims),
                "bytes": tensor.size,
                "offset": tensor.offset,
            }
            for tensor in header.tensors
        ],
    }


def _plain(value: Value) -> object:
    count = _count(value)
    return value if count is None else {"values": count}


def _count(value: Value) -> int | None:
    """How many values an array has; None for what is none."""
    return value.count if isinstance(value, Array) else len(value) if isinstance(value, tuple) else None


def _summary(header: Header, size: int) -> list[str]:
    types = Counter[str]()
    for tensor in header.tensors:
        types[tensor.type.name] += tensor.size
    heads = f"{max(header.heads)} heads over {max(header.kv_heads)} of keys and values"
    return [
        f"{header.name or '(no name)'}: {header.architecture}, {header.parameters / 1e6:,.0f} M parameters, "
        f"{header.quantisation}, {bytes_of(size)}",
        f"{header.block_count} layers, {header.embedding_length} wide, {heads}, "
        f"trained for {header.context_length:,} tokens",
        f"vocabulary of {header.vocabulary_size:,} tokens ({header.tokenizer})",
        f"chat template: {_shown(header.chat_template) if header.chat_template else 'none'}",
        "",
        f"{len(header.tensors)} tensors (--tensors lists them): "
        + ", ".join(f"{name} {bytes_of(total)}" for name, total in types.most_common()),
        "",
        "Metadata:",
        *_metadata(header.metadata),
    ]


def _metadata(metadata: Mapping[str, Value]) -> list[str]:
    width = max(map(len, metadata), default=0)
    return [f"  {key:{width}}  {_shown(value)}" for key, value in metadata.items()]


def _shown(value: Value) -> str:
    """On one line, without what could move a terminal's cursor."""
    if (count := _count(value)) is not None:
        return f"({count:,} values)"
    text = "".join(c if c.isprintable() else " " for c in " ".join(str(value).split()))
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}… ({len(str(value)):,} characters)"


def _tensors(header: Header) -> list[str]:
    width = max((len(tensor.name) for tensor in header.tensors), default=0)
    return [
        f"{tensor.name:{width}}  {tensor.type.name:6}{'×'.join(map(str, tensor.dims)):>16}{bytes_of(tensor.size):>10}"
        f"  at byte {tensor.offset:,}"
        for tensor in header.tensors
    ]
