"""Decode speed with a JSON schema, compared with the same model without one.

    python -m bench.structured [--rounds 5] [--tokens 150] [--threads N]

The bench uses the 0.5B shape with its vocabulary of 152k tokens and random weights, in the engine alone. The
contenders take turns; the results are medians. Speed is measured from the first token to the last. With a schema,
forced tokens count like sampled ones.
"""

import argparse
import statistics
import time
from typing import Any

from bench.shapes import model
from function.engine import Engine, Finished, Grammar, Job, LoadOptions, Sampling, json_grammar
from function.system.limits import cpus

REST_SECONDS = 1.0
RECORD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 30},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "email": {"type": "string", "pattern": "^[a-z.]{1,20}@[a-z]{1,20}\\.com$"},
        "tags": {"type": "array", "items": {"enum": ["new", "known", "gone"]}, "maxItems": 3},
    },
    "required": ["name", "age", "email", "tags"],
    "additionalProperties": False,
}
SCHEMAS: dict[str, dict[str, Any] | None] = {
    "without a schema": None,
    "one long text": {"type": "string", "minLength": 100_000},
    "records": {"type": "array", "items": RECORD, "minItems": 1000},
    "any object": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string", "minLength": 1000}},
}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=150)
    parser.add_argument("--threads", type=int, default=cpus())
    arguments = parser.parse_args()
    engine = Engine.load(model("0.5B", "Q4_0"), LoadOptions(n_ctx=2048, n_threads=arguments.threads))
    grammars = {name: json_grammar(schema, "schema") if schema else None for name, schema in SCHEMAS.items()}
    speeds: dict[str, list[float]] = {name: [] for name in grammars}
    began = time.monotonic()
    engine.constrain(json_grammar({"type": "null"}, "schema"))
    print(f"the first grammar of the model: {time.monotonic() - began:.2f} s")
    for name, grammar in grammars.items():
        began = time.monotonic()
        if grammar:
            engine.constrain(grammar)
            first = time.monotonic() - began
            engine.constrain(grammar)
            print(f"{name}: {first:.2f} s when new, {time.monotonic() - began - first:.3f} s when known")
    for number in range(arguments.rounds + 1):
        for name, grammar in grammars.items():
            time.sleep(REST_SECONDS)
            speed = _run(engine, grammar, arguments.tokens)
            if number:  # the first round warms up
                speeds[name].append(speed)
    engine.close()
    print(f"\n0.5B Q4_0, {arguments.threads} threads, {arguments.rounds} rounds of {arguments.tokens} tokens\n")
    print("| | tokens/s, median | of without, median of the rounds | lowest … highest |\n|---|---|---|---|")
    for name, each in speeds.items():
        ratio = statistics.median(a / b for a, b in zip(each, speeds["without a schema"], strict=True))
        print(f"| {name} | {statistics.median(each):.1f} | {ratio:.2f} | {min(each):.1f} … {max(each):.1f} |")


def _run(engine: Engine, grammar: Grammar | None, tokens: int) -> float:
    """Return the tokens per second of one reply."""
    constraint = engine.constrain(grammar) if grammar else None
    prompt = engine.tokenize_chat([{"role": "user", "content": "Tell me."}])
    sampling = Sampling(ignore_eos=True, temperature=1.0)
    generation = engine.submit(Job(prompt=prompt, max_tokens=tokens, sampling=sampling, constraint=constraint))
    while not isinstance(event := generation.next_event(600), Finished):
        pass
    assert event.usage.completion_tokens == tokens, event
    assert generation.tokens_per_second is not None
    return generation.tokens_per_second


if __name__ == "__main__":
    main()
