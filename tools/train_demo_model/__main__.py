"""``python -m tools.train_demo_model``: data, tokenizer, training, export, evaluation."""

import argparse
import dataclasses
import json
from pathlib import Path

import torch

from tools.train_demo_model import report
from tools.train_demo_model import tokenizer as tokenizers
from tools.train_demo_model.config import ModelConfig, TrainConfig
from tools.train_demo_model.evaluate import evaluate
from tools.train_demo_model.export import export
from tools.train_demo_model.train import load_model, train

DEMO = Path(__file__).parents[2] / "function" / "demo"

parser = argparse.ArgumentParser(prog="python -m tools.train_demo_model", description=__doc__)
parser.add_argument(
    "what", nargs="?", default="all", choices=("all", "train", "export", "evaluate"), help="all of it, or one stage"
)
parser.add_argument("--out", type=Path, default=Path("/tmp/train_demo_model"), help="checkpoints; resumed from there")
parser.add_argument("--to", type=Path, default=DEMO, help="where model.gguf, README.md and answers.json are written")
parser.add_argument("--steps", type=int, default=TrainConfig().steps, help="fewer for a quick try")
parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
parser.add_argument("--pause-file", type=Path, help="training sleeps while this file exists")


def main() -> None:
    """Carry out the stages asked for; each builds on what ``--out`` and ``--to`` hold."""
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    args.to.mkdir(parents=True, exist_ok=True)
    config = dataclasses.replace(TrainConfig(), steps=args.steps)
    vocabulary, checkpoint, gguf = args.out / "tokenizer.json", args.out / "checkpoint.pt", args.to / "model.gguf"
    if not vocabulary.exists():
        tokenizers.build(config.seed, ModelConfig().vocab, vocabulary)
    tokenizer = tokenizers.load(vocabulary)
    if args.what in ("all", "train"):
        train(args.out, tokenizer, config, args.pause_file)
    model, progress = load_model(checkpoint)
    if args.what in ("all", "export"):
        export(model, tokenizer, gguf)
        answers = json.dumps(report.answers(gguf), indent=1, ensure_ascii=False)
        (args.to / "answers.json").write_text(answers + "\n")
    if args.what in ("all", "evaluate"):
        clean, careless = (evaluate(gguf, progress.seen, seed=config.seed, careless=c) for c in (False, True))
        (args.to / "README.md").write_text(report.readme(gguf, clean, careless, progress, config))
        for skill, score in clean.items():
            for asked, wanted, said in score.mistakes[:5]:
                print(f"{skill}: {asked!r} wanted {wanted!r}, said {said!r}")


if __name__ == "__main__":
    main()
