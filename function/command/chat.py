"""``python -m function chat [URL|MODEL]``: chat with a running function, or with a model in this process.

Progress while a reply is pending, and its timings afterwards, go to the error stream. Ctrl-C stops a reply, Ctrl-D on
an empty line ends the conversation, /new starts another.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from function.command.client import End, Piece, StreamProgress, ask
from function.command.output import replace_control_characters
from function.settings import Settings

EXAMPLES = """\
examples:
  python -m function chat                                    the model that MODEL_URI names, in this process
  python -m function chat gs://bucket/model.gguf             another model
  python -m function chat http://localhost:8080              a running function
  API_KEY=… python -m function chat https://chat-….run.app -H "X-Serverless-Authorization: Bearer $(gcloud auth print-identity-token)"
  python -m function chat --prompt "Hello!" --json           one question; the reply and its receipt as JSON
"""  # noqa: E501  commands stay on one line

Message = dict[str, str]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("where", nargs="?", help="a function's URL, or a model: a path, gs://, s3://, https://….gguf")
    parser.add_argument(
        "--prompt", metavar="TEXT", help="ask this and exit; by default questions come from the terminal"
    )
    parser.add_argument("--system", metavar="TEXT", help="system message of the conversation")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="maximum tokens of a reply")
    parser.add_argument(
        "-H", "--header", action="append", default=[], metavar="NAME: VALUE", help="header to send to the URL"
    )


def run(args: argparse.Namespace) -> int:
    settings = Settings.from_env()
    headers = {name.strip(): value.strip() for name, _, value in (each.partition(":") for each in args.header)}
    if settings.api_key:
        headers.setdefault("x-api-key", settings.api_key)
    with _serve(args.where, settings) as url:
        messages: list[Message] = [{"role": "system", "content": args.system}] if args.system else []
        begin = list(messages)
        for question in _read_questions(args.prompt):
            if question == "/new":
                messages = list(begin)
                continue
            messages.append({"role": "user", "content": question})
            try:
                reply, receipt = _ask(url, messages, headers, args)
            except KeyboardInterrupt:
                sys.stderr.write("\n(stopped)\n")
                messages.pop()
                continue
            messages.append({"role": "assistant", "content": reply})
            if args.json:
                sys.stdout.write(json.dumps({"reply": reply, "receipt": receipt}, ensure_ascii=False) + "\n")
    return 0


@contextlib.contextmanager
def _serve(where: str | None, settings: Settings) -> Iterator[str]:
    """Yield the given URL, or that of a function that is served in this process meanwhile."""
    if where and where.startswith(("http://", "https://")) and not where.partition("?")[0].endswith(".gguf"):
        yield where
        return
    from function.command.local_server import serving
    from function.lifecycle.service import Service

    with serving(Service(replace(settings, model_uri=where) if where else settings)) as url:
        yield url


def _read_questions(prompt: str | None) -> Iterator[str]:
    """Yield the questions until the end of the input. On a terminal lines can be edited."""
    if prompt is not None:
        yield prompt
        return
    terminal = sys.stdin.isatty()
    if terminal:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  adds line editing to input()
    while True:
        try:
            question = input("> " if terminal else "").strip()
        except EOFError:
            return
        if question:
            yield question


def _ask(
    url: str, messages: list[Message], headers: Mapping[str, str], args: argparse.Namespace
) -> tuple[str, Mapping[str, Any]]:
    """Print progress and reply; return the reply and its receipt."""
    pieces: list[str] = []
    receipt: Mapping[str, Any] = {}
    with contextlib.closing(ask(url, messages, headers, args.max_tokens)) as events:
        for event in events:
            if isinstance(event, StreamProgress):
                _show_progress(event.text)
            elif isinstance(event, Piece):
                if not pieces:
                    _show_progress("")
                pieces.append(event.text)
                if not args.json:
                    sys.stdout.write(replace_control_characters(event.text, kept="\n\t"))
                    sys.stdout.flush()
            elif isinstance(event, End):
                receipt = event.receipt
    if not args.json:
        sys.stdout.write("\n")
        sys.stdout.flush()
        if receipt:
            sys.stderr.write(f"({format_receipt(receipt)})\n")
    return "".join(pieces), receipt


def _show_progress(text: str) -> None:
    """Replace the progress line; does nothing unless stderr is a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text and f'… {text}'}")
        sys.stderr.flush()


def format_receipt(receipt: Mapping[str, Any]) -> str:
    """Return a receipt on one line: ``cold: fetch 0.412 s, load 0.187 s; first token 0.569 s; …``."""
    seconds, tokens = receipt["seconds"], receipt["tokens"]
    own = ("wait", "queued", "prefill", "first_token", "total")
    start = ", ".join(f"{phase} {value:.3f} s" for phase, value in seconds.items() if phase not in own)
    words = [f"cold: {start}" if receipt["cold"] else "warm"]
    if "first_token" in seconds:
        words.append(f"first token {seconds['first_token']:.3f} s")
    speed = f" at {tokens['per_second']:.1f}/s" if tokens["per_second"] else ""
    words.append(f"{tokens['completion']} tokens{speed}")
    if tokens["cached"]:
        words.append(f"{tokens['cached']} of {tokens['prompt']} prompt tokens from the cache")
    words.append(f"{seconds['total']:.3f} s in all")
    return "; ".join(words)
