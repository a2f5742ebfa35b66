"""``python -m function plan``: the settings of the environment are planned for."""

import json
from pathlib import Path

import pytest

from tests.bert import random_bert, write_bert
from tests.command_line import function


def planned(*arguments: str, **env: str) -> dict[str, object]:
    """Return what was planned for, and its total in bytes."""
    outcome = function("plan", *arguments, "--json", env=env)
    assert outcome.returncode == 0, outcome.stderr
    return dict(json.loads(outcome.stdout)["chosen"])


def test_plan_is_for_n_ctx_and_kv_type_of_the_environment(tiny_model: Path) -> None:
    chosen = planned(str(tiny_model), N_CTX="512", KV_TYPE="q4_0")
    assert (chosen["n_ctx"], chosen["kv_type"]) == (512, "q4_0")
    assert chosen["total"] != planned(str(tiny_model))["total"]


def test_option_precedes_the_environment(tiny_model: Path) -> None:
    chosen = planned(str(tiny_model), "--n-ctx", "256", "--kv-type", "q8_0", N_CTX="512", KV_TYPE="q4_0")
    assert (chosen["n_ctx"], chosen["kv_type"]) == (256, "q8_0")


def test_plan_agrees_with_the_doctor(tiny_model: Path) -> None:
    env = {"N_CTX": "512", "KV_TYPE": "q8_0", "PREFIX_CACHE_MB": "100"}
    total = planned(str(tiny_model), **env)["total"]
    assert isinstance(total, int)
    findings = json.loads(function("doctor", str(tiny_model), "--json", env=env).stdout)["findings"]
    fits = next(each["found"] for each in findings if each["about"] == "fits")
    assert fits.startswith(f"{total / 1e6:.0f} MB with 512 tokens")


def test_tfvars_follow_the_environment(tiny_model: Path) -> None:
    texts = {function("plan", str(tiny_model), "--tfvars", env={"KV_TYPE": kind}).stdout for kind in ("f16", "q4_0")}
    assert len(texts) == 2


@pytest.mark.parametrize("command", ["plan", "inspect", "fetch"])
def test_command_without_a_model_uses_model_uri(command: str, tiny_model: Path) -> None:
    outcome = function(command, "--json", env={"MODEL_URI": str(tiny_model)})
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout)["uri"] == str(tiny_model)


@pytest.mark.parametrize("command", ["plan", "fetch", "bench", "capacity", "chat"])
def test_wrong_setting_is_one_sentence(command: str, tiny_model: Path) -> None:
    arguments = [str(tiny_model), "--prompt", "100"] if command in ("capacity", "chat") else [str(tiny_model)]
    outcome = function(command, *arguments, env={"N_CTX": "-5"})
    assert outcome.returncode == 1
    assert outcome.stderr == (
        "N_CTX='-5' is not between 64 and 16,777,216. Correct it, or unset it: docs/settings.md.\n"
    )


def test_prices_have_a_currency_and_all_their_sources(tiny_model: Path) -> None:
    report = function("plan", str(tiny_model)).stdout
    assert "/month" in report
    assert "$" in report
    assert all(f"https://{name}" in report for name in ("cloud.google.com/run/pricing", "aws.amazon.com/s3/pricing"))


def test_plan_inspect_and_doctor_name_the_kind(tmp_path: Path, tiny_model: Path) -> None:
    encoder = write_bert(tmp_path / "bert.gguf", random_bert())
    ranker = write_bert(tmp_path / "ranker.gguf", random_bert(classifier=True), pooling=4)
    kinds = {
        encoder: "an embedding model, vectors of 64 elements, pooling mean",
        ranker: "a reranker",
        tiny_model: "a chat model, with a chat template",
    }
    for path, words in kinds.items():
        assert words in function("plan", path).stdout
        assert words in function("inspect", path).stdout
    report = json.loads(function("plan", encoder, "--json").stdout)
    assert (report["model"]["kind"], report["model"]["pooling"]) == ("embedding", "mean")
    assert (report["chosen"]["kv_cache"], report["chosen"]["prefix_cache"], len(report["memory"])) == (0, 0, 1)
    assert kinds[encoder] in function("doctor", encoder).stdout


def test_plan_is_for_pooling_of_the_environment(tiny_model: Path) -> None:
    chosen = planned(str(tiny_model), POOLING="last")
    assert chosen["prefix_cache"] == 0
    outcome = function("plan", tiny_model, env={"POOLING": "rank"})
    assert outcome.returncode == 1
    assert "cannot rerank" in outcome.stderr
