"""The training loop: resumable, and the same for the same seed."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from tokenizers import Tokenizer

from tools.train_demo_model.batches import Packer
from tools.train_demo_model.config import ModelConfig, TrainConfig
from tools.train_demo_model.induction import set_alike, set_induction
from tools.train_demo_model.model import Transformer
from tools.train_demo_model.optimizer import optimizers, rate

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@dataclass
class Progress:
    """What has been trained so far; ``seconds`` of training, over all runs."""

    step: int = 0
    seconds: float = 0.0
    dialogues: int = 0
    tokens: int = 0
    learned: int = 0
    seen: set[int] = field(default_factory=set)


def load_model(path: Path) -> tuple[Transformer, Progress]:
    """The model and the progress of a checkpoint."""
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)  # a file this tool wrote
    model = Transformer(ModelConfig())
    model.load_state_dict(saved["model"])
    return model, saved["progress"]


def _save(path: Path, model: Transformer, optims: list[torch.optim.Optimizer], progress: Progress) -> None:
    partial = path.with_suffix(".tmp")
    torch.save({"model": model.state_dict(), "optims": [o.state_dict() for o in optims], "progress": progress}, partial)
    partial.replace(path)


def train(out: Path, tokenizer: Tokenizer, config: TrainConfig, pause_file: Path | None = None) -> Path:
    """Train, or go on training, in folder ``out``; returns the checkpoint's path.

    While ``pause_file`` exists the loop sleeps.
    """
    path = out / "checkpoint.pt"
    torch.manual_seed(config.seed)
    if path.exists():
        model, progress = load_model(path)
    else:
        model, progress = Transformer(ModelConfig()), Progress()
        set_alike(model, [str(tokenizer.id_to_token(i)) for i in range(model.config.vocab)])
        set_induction(model)
    model.to(DEVICE)
    optims = optimizers(model, config)
    if progress.step:
        for optim, state in zip(optims, torch.load(path, weights_only=False)["optims"], strict=True):
            optim.load_state_dict(state)
    packer = Packer(tokenizer, model.config, config)
    began, recent = time.monotonic() - progress.seconds, 0.0
    for step in range(progress.step, config.steps):
        paused = time.monotonic()
        while pause_file and step % 10 == 0 and pause_file.exists():
            time.sleep(1)
        if time.monotonic() - paused > 1:
            began += time.monotonic() - paused
        batch = packer.batch(step)
        for optim, full in zip(optims, (config.muon_lr, config.adam_lr), strict=True):
            optim.param_groups[0]["lr"] = full * rate(step, config)
        wanted = batch.targets >= 0
        hidden, _ = model(
            batch.tokens.to(DEVICE), batch.positions.to(DEVICE), batch.mask.to(DEVICE), wanted=wanted.to(DEVICE)
        )
        loss = F.cross_entropy(model.logits(hidden), batch.targets[wanted].to(DEVICE))
        loss.backward()
        for optim in optims:
            optim.step()
            optim.zero_grad()
        recent = loss.item() if not recent else 0.95 * recent + 0.05 * loss.item()
        progress.step, progress.seconds = step + 1, time.monotonic() - began
        progress.dialogues += batch.dialogues
        progress.tokens += batch.tokens.numel()
        progress.learned += int(wanted.sum())
        progress.seen.update(batch.seen)
        if progress.step % 25 == 0:
            print(_told(progress, config, recent), flush=True)
        if progress.step % config.checkpoint_every == 0 or progress.step == config.steps:
            _save(path, model, optims, progress)
    return path


def _told(progress: Progress, config: TrainConfig, loss: float) -> str:
    speed = progress.tokens / progress.seconds
    left = (config.steps - progress.step) * progress.seconds / progress.step / 60
    return f"step {progress.step}/{config.steps}  loss {loss:.4f}  {speed:.0f} tokens/s  {left:.0f} min left"
