"""Cost of tools and of guarded messages: tokens per second with tools in ``auto`` and without, and each step alone.

    python -m bench.dialects [--rounds 10] [--tokens 150] [--threads N]

The default model under gunicorn continues the same prompt greedily, so that it writes the same tokens: once as a chat
with tools, whose reply is read for calls, and once as a text completion. The order alternates. Speed is measured from
the first token to the last. The reader and the guard are also timed alone, without a model.
"""

import argparse
import http.client
import json
import statistics
import time
from typing import Any

from bench.decode import REPLY_TIMEOUT_SECONDS, REST_SECONDS
from bench.servers import function_server
from function.dialect.reply_reader import ReplyTextReader
from function.dialect.reply_watch import ReplyWatch
from function.dialect.syntax import HERMES, Dialect, ThoughtSyntax
from function.system.limits import cpus
from function.web.request.message_guard import ControlNames, MessageGuard

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": "Looks it up.", "parameters": PARAMETERS}}
    for name in ("get_weather", "get_time", "get_news")
]
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Tell me a long story."}], "tools": TOOLS}
WORDS = 5000
NAMES = ["<|im_start|>", "<|im_end|>", *(f"<|reserved_special_token_{number}|>" for number in range(250))]
MESSAGE = "A line of text with <b>tags</b>, brackets [1] and a | bar. " * 17
"""1 kB."""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=150)
    parser.add_argument("--threads", type=int, default=cpus())
    arguments = parser.parse_args()
    speeds: dict[str, list[float]] = {"with tools": [], "without": []}
    with function_server(N_THREADS=str(arguments.threads)) as server:
        prompt = _ask(server.port, "/apply-template", CHAT)["prompt"]
        common = {"temperature": 0, "dry_multiplier": 0, "ignore_eos": True, "max_tokens": arguments.tokens}
        bodies = {
            "with tools": ("/v1/chat/completions", CHAT | common),
            "without": ("/v1/completions", {"prompt": prompt} | common),
        }
        for number in range(arguments.rounds + 1):
            for name in bodies if number % 2 else reversed(bodies):
                time.sleep(REST_SECONDS)
                path, body = bodies[name]
                speed = _ask(server.port, path, body)["receipt"]["tokens"]["per_second"]
                if number:  # the first round warms up
                    speeds[name].append(speed)
    ratio = statistics.median(a / b for a, b in zip(speeds["with tools"], speeds["without"], strict=True))
    print(f"default model, {arguments.threads} threads, {arguments.rounds} rounds of {arguments.tokens} tokens\n")
    print("| | tokens/s, median | lowest … highest |\n|---|---|---|")
    for name, each in speeds.items():
        print(f"| {name} | {statistics.median(each):.1f} | {min(each):.1f} … {max(each):.1f} |")
    print(f"\nwith / without, median of the rounds: {ratio:.1%}")
    token = _time_reader()
    print(f"reader and watch alone: {token * 1e6:.1f} µs a token, {token * statistics.median(speeds['without']):.2%}")
    for name, text in (("1 kB of text", MESSAGE), ("10 kB of text", MESSAGE * 10), ("250 names", " ".join(NAMES))):
        print(f"guard alone, {name}: {_time_guard(text) * 1e3:.3f} ms a message")


def _ask(port: int, path: str, body: dict[str, Any]) -> Any:
    """Return the body of a reply, with its receipt."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REPLY_TIMEOUT_SECONDS)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", "X-Receipt": "1"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    assert response.status == 200, answer
    return answer


def _time_reader() -> float:
    """Return the seconds per token of a reply with thoughts and tools: of its watch and of its reader."""
    dialect = Dialect(HERMES, native=True, thought=ThoughtSyntax("<think>", "</think>"))
    tools = {"get_weather": PARAMETERS}
    watch, reader = ReplyWatch(ReplyTextReader(dialect, tools)), ReplyTextReader(dialect, tools)
    words = ["<think>", *[" word,"] * WORDS, "</think>", *[" word."] * WORDS]
    began = time.perf_counter()
    for word in words:
        watch.on_token(word)
        watch.closing_tokens()
        reader.feed(word)
    return (time.perf_counter() - began) / len(words)


def _time_guard(text: str) -> float:
    """Return the seconds that a message costs: it is guarded, and its prompt is split."""
    names = ControlNames(NAMES)
    times = []
    for _ in range(50):
        guard = MessageGuard(names)
        began = time.perf_counter()
        guard.split(f"<|im_start|>user\n{guard.guard(text)}<|im_end|>\n")
        times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    main()
