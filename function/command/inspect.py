"""``python -m function inspect FILE|URI``: show the header of a GGUF file: metadata, tensors, chat template."""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping

from function.command.output import format_bytes, print_result, replace_control_characters
from function.command.plan import describe_model, describe_use
from function.gguf import Header
from function.gguf.reader import Array, Value
from function.lifecycle.early_header import read_remote_header
from function.settings import Settings

MAX_VALUE_CHARACTERS = 96
CHAT_TEMPLATE_KEY = "tokenizer.chat_template"

EXAMPLES = """\
examples:
  python -m function inspect model.gguf
      a summary: the model, its metadata, its tensors by type
  python -m function inspect gs://bucket/model.gguf
      from one ranged read, without fetching the model
  python -m function inspect model.gguf --tensors
      each tensor: type, shape, bytes, offset
  python -m function inspect model.gguf --template
      the chat template alone, to edit it and set CHAT_TEMPLATE
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "uri", nargs="?", help="a path, gs://, s3://, https:// or hf://owner/repository/file.gguf; default: MODEL_URI"
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--tensors", action="store_true", help="list every tensor")
    output.add_argument("--template", action="store_true", help="print the chat template alone")


def run(args: argparse.Namespace) -> int:
    uri = args.uri or Settings.from_env().model_uri
    header, size = read_remote_header(uri)
    if args.template and not args.json:
        sys.stdout.write(header.chat_template or "")
        if header.chat_template is None:
            sys.stderr.write("The model has no chat template; the function chooses one by its vocabulary.\n")
        return 0 if header.chat_template else 1
    lines = _list_tensors(header) if args.tensors else _summarise(header, size)
    return print_result(args, _as_json(uri, header, size), "".join(f"{line}\n" for line in lines))


def _as_json(uri: str, header: Header, size: int) -> dict[str, object]:
    """Return the header as plain values. An array is replaced by its length: vocabularies are long."""
    return {
        "uri": uri,
        "size": size,
        "model": describe_model(header),
        "tokenizer": header.tokenizer,
        "chat_template": header.chat_template,
        "metadata": {
            key: value if (count := _length(value)) is None else {"values": count}
            for key, value in header.metadata.items()
        },
        "tensors": [
            {
                "name": each.name,
                "type": each.type.name,
                "shape": list(each.dims),
                "bytes": each.size,
                "offset": each.offset,
            }
            for each in header.tensors
        ],
    }


def _length(value: Value) -> int | None:
    """Return the length of an array; None for any other value."""
    return value.count if isinstance(value, Array) else len(value) if isinstance(value, tuple) else None


def _summarise(header: Header, size: int) -> list[str]:
    types = Counter[str]()
    for tensor in header.tensors:
        types[tensor.type.name] += tensor.size
    heads = f"{max(header.heads)} heads over {max(header.kv_heads)} of keys and values"
    return [
        f"{header.name or '(no name)'}: {header.architecture}, {header.parameters / 1e6:,.0f} M parameters, "
        f"{header.quantisation}, {format_bytes(size)}",
        f"{header.block_count} layers, {header.embedding_length} wide, {heads}, "
        f"trained for {header.context_length:,} tokens",
        describe_use(header),
        f"vocabulary of {header.vocabulary_size:,} tokens ({header.tokenizer})",
        f"chat template: {_format(header.chat_template) if header.chat_template else 'none'}",
        "",
        f"{len(header.tensors)} tensors (--tensors lists them): "
        + ", ".join(f"{name} {format_bytes(total)}" for name, total in types.most_common()),
        "",
        "Metadata:",
        *_list_metadata(header.metadata),
    ]


def _list_metadata(metadata: Mapping[str, Value]) -> list[str]:
    shown = {key: value for key, value in metadata.items() if key != CHAT_TEMPLATE_KEY}  # it has a line of its own
    width = max(map(len, shown), default=0)
    return [f"  {key:{width}}  {_format(value)}" for key, value in shown.items()]


def _format(value: Value) -> str:
    """Return a value on one line, without control characters."""
    if (count := _length(value)) is not None:
        return f"({count:,} values)"
    text = replace_control_characters(" ".join(str(value).split()), " ")
    if len(text) <= MAX_VALUE_CHARACTERS:
        return text
    return f"{text[:MAX_VALUE_CHARACTERS]}… ({len(str(value)):,} characters)"


def _list_tensors(header: Header) -> list[str]:
    width = max((len(tensor.name) for tensor in header.tensors), default=0)
    return [
        f"{each.name:{width}}  {each.type.name:6}{'×'.join(map(str, each.dims)):>16}{format_bytes(each.size):>10}"
        f"  at byte {each.offset:,}"
        for each in header.tensors
    ]
