"""What is written beside the model: its answers to a few questions, and a README with the table of its scores."""

from pathlib import Path
from typing import Any

from tools.train_demo_model.config import TrainConfig
from tools.train_demo_model.data import CAPITALS
from tools.train_demo_model.evaluate import Score, table
from tools.train_demo_model.export import restore
from tools.train_demo_model.generate import greedy
from tools.train_demo_model.tokenizer import END, render
from tools.train_demo_model.train import Progress

# Each a conversation: the user's turns, between which the model answers for itself.
ASKED = """Hello!
How are you?
Who are you?
What can you do?
What is this project?
How do I use my own model?
What does scale to zero mean?
How many requests can you answer at once?
What is 12 + 35?
What is 40 minus 58?
27+66
What is the capital of France?
capital of japan
How many days are in a week?
Which planet is the largest?
Repeat after me: the small robot likes tea
Write banana in upper case.
Give me a JSON object with name Ada and age 36.
Who won the chess match yesterday?
Explain quantum physics.
My name is Ada.|What is my name?
Hi, I'm Marvin.|What is 5 + 8?|Do you remember my name?""".splitlines()


def answers(gguf: Path) -> list[dict[str, Any]]:
    """Greedy replies of this framework, computed with the weights as the GGUF holds them, to ``ASKED``."""
    model, tokenizer = restore(gguf)
    told = []
    for turns in ASKED:
        messages: list[dict[str, str]] = []
        for turn in turns.split("|"):
            messages.append({"role": "user", "content": turn})
            prompt = tokenizer.encode(render(messages, ask=True)).ids
            reply = greedy(model, [prompt], tokenizer.token_to_id(END))[0]
            messages.append({"role": "assistant", "content": tokenizer.decode(reply)})
        told.append({"messages": messages[:-1], "reply": messages[-1]["content"], "tokens": [prompt, reply]})
    return told


def readme(
    gguf: Path, clean: dict[str, Score], careless: dict[str, Score], progress: Progress, config: TrainConfig
) -> str:
    """The text of ``README.md`` beside the model."""
    model, tokenizer = restore(gguf)
    c = model.config
    parameters = sum(p.numel() for p in model.parameters())
    mistakes = "\n".join(
        f"| {skill} | `{asked}` | `{said}` |" for skill, s in clean.items() for asked, _, said in s.mistakes[:1]
    )
    return f"""# The embedded model

`model.gguf` is what answers when `MODEL_URI` is not set: a chat model so small that it ships with the code. It greets,
says what it is and what this project does, adds and subtracts numbers up to 99 digit by digit, knows {len(CAPITALS)}
capitals and a few dozen common facts, repeats sentences, changes case, remembers a name within the conversation, and
writes short JSON. To anything else it says: “I am too small to know that.” It is there to try the function and to test
it, not to be relied on.

No weights were downloaded and no text was collected. `tools/train_demo_model` writes the dialogues, trains the
tokenizer and the model, and writes this folder:

    python -m venv /tmp/train && /tmp/train/bin/pip install -r tools/train_demo_model/requirements.txt
    /tmp/train/bin/python -m tools.train_demo_model

It goes on where it stopped when it is started again (`--out` holds the checkpoint). `tools/train_demo_model/README.md`
says more.

| | |
| --- | --- |
| Architecture | Llama, {c.layers} layers, width {c.width}, {c.heads} heads, {c.context} tokens of context |
| Parameters | {parameters:,} |
| File | {gguf.stat().st_size / 1e6:.2f} MB: matrices Q8_0, norms F32 |
| Vocabulary | {tokenizer.get_vocab_size()} tokens: frequent words whole, all else spelled byte by byte; ChatML |
| Training data | {progress.dialogues:,} dialogues, {progress.tokens:,} tokens, {progress.learned:,} of them replies |
| Training | {progress.step} steps, {progress.seconds / 60:.0f} minutes on one shared CPU core, seed {config.seed} |

## What it gets right

Questions that training never saw, exact answers, greedy, from the weights in `model.gguf`. Held out are every fifth way
to ask each thing, a tenth of the number pairs (a sum in both orders), an eighth of the names, words and topics. Other
ways to ask the same thing, some of them close, are in the training data. More than half of the questions come after
other turns; case, politeness and punctuation vary. “Declining” asks about unseen things in unseen ways. The last column
asks the same kinds of questions of people who also make slips of the finger, one question in ten, and shout now and
then.

{table(clean, careless)}

One mistake of each kind that it makes:

| | Asked | Said |
| --- | --- | --- |
{mistakes}
"""
