"""``python -m function chat [URL|MODEL]``: a conversation, with a running function or a model of one's own.

What a reply waits for is shown while it waits, and what it took when it is over, on the error stream. Ctrl-C stops a
reply, an empty line with Ctrl-D ends the conversation, /new begins another.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from function.command.client import End, Piece, Waiting, ask
from function.settings import Settings

EXAMPLES = """\
examples:
  python -m function chat                                    the model that MODEL_URI names, in this process
  python -m function chat gs://bucket/model.gguf             another one
  python -m function chat http://localhost:8080              a running function
  API_KEY=… python -m function chat https://chat-….run.app -H "X-Serverless-Authorization: Bearer $(gcloud auth print-identity-token)"
  python -m function chat --prompt "Hello!" --json           one question; the reply and its receipt as JSON
"""  # noqa: E501  a command is not broken

Message = dict[str, str]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("where", nargs="?", help="a function's URL, or a model: a path, gs://, s3://, https://….gguf")
    parser.add_argument("--prompt", metavar="TEXT", help="ask this and end; else questions come from the terminal")
    parser.add_argument("--system", metavar="TEXT", help="what the conversation begins with")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="the longest reply")
    parser.add_argument("-H", "--header", action="append", default=[], metavar="NAME: VALUE", help="sent to the URL")
    parser.add_argument("--json", action="store_true", help="one JSON object a reply: reply and receipt")


def run(args: argparse.Namespace) -> int:
    settings = Settings.from_env()
    headers = {name.strip(): value.strip() for name, _, value in (each.partition(":") for each in args.header)}
    if settings.api_key:
        headers.setdefault("x-api-key", settings.api_key)
    with _function(args.where, settings) as url:
        messages: list[Message] = [{"role": "system", "content": args.system}] if args.system else []
        begin = list(messages)
        for question in _questions(args.prompt):
            if question == "/new":
                messages = list(begin)
                continue
            messages.append({"role": "user", "content": question})
            try:
                reply, receipt = _answer(url, messages, headers, args)
            except KeyboardInterrupt:
                sys.stderr.write("\n(stopped)\n")
                messages.pop()
                continue
            messages.append({"role": "assistant", "content": reply})
            if args.json:
                sys.stdout.write(json.dumps({"reply": reply, "receipt": receipt}, ensure_ascii=False) + "\n")
    return 0


@contextlib.contextmanager
def _function(where: str | None, settings: Settings) -> Iterator[str]:
    """The URL of a function: the one given, or one that is served here meanwhile."""
    if where and where.startswith(("http://", "https://")) and not where.partition("?")[0].endswith(".gguf"):
        yield where
        return
    from function.command.local_server import serving
    from function.lifecycle.service import Service

    with serving(Service(replace(settings, model_uri=where) if where else settings)) as url:
        yield url


def _questions(prompt: str | None) -> Iterator[str]:
    """What is asked, until the end of the input. On a terminal lines can be edited."""
    if prompt is not None:
        yield prompt
        return
    terminal = sys.stdin.isatty()
    if terminal:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  input() edits with it
    while True:
        try:
            question = input("> " if terminal else "").strip()
        except EOFError:
            return
        if question:
            yield question


def _answer(
    url: str, messages: list[Message], headers: Mapping[str, str], args: argparse.Namespace
) -> tuple[str, Mapping[str, Any]]:
    """Show the wait and the reply; returns the reply and its receipt."""
    pieces: list[str] = []
    receipt: Mapping[str, Any] = {}
    with contextlib.closing(ask(url, messages, headers, args.max_tokens)) as events:
        for event in events:
            if isinstance(event, Waiting):
                _show_wait(event.text)
            elif isinstance(event, Piece):
                if not pieces:
                    _show_wait("")
                pieces.append(event.text)
                if not args.json:
                    sys.stdout.write(_printable(event.text))
                    sys.stdout.flush()
            elif isinstance(event, End):
                receipt = event.receipt
    if not args.json:
        sys.stdout.write("\n")
        sys.stdout.flush()
        if receipt:
            sys.stderr.write(f"({line(receipt)})\n")
    return "".join(pieces), receipt


def _show_wait(text: str) -> None:
    """One line that is written over, on a terminal alone."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text and f'… {text}'}")
        sys.stderr.flush()


def _printable(text: str) -> str:
    """Without what could command a terminal: a model writes what it likes."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def line(receipt: Mapping[str, Any]) -> str:
    """A receipt on a line: ``cold: fetch 0.412 s, load 0.187 s; first token 0.569 s; 29 tokens at 82.3/s; …``."""
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
