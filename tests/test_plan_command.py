"""``python -m function plan``: the settings of the environment are planned for."""

import json

import pytest

from function.settings import DEMO_MODEL
from tests.command_line import function


def planned(*arguments: str, **env: str) -> dict[str, object]:
    """Return what was planned for, and its total in bytes."""
    outcome = function("plan", *arguments, "--json", env=env)
    assert outcome.returncode == 0, outcome.stderr
    return dict(json.loads(outcome.stdout)["chosen"])


def test_plan_is_for_n_ctx_and_kv_type_of_the_environment() -> None:
    chosen = planned(str(DEMO_MODEL), N_CTX="512", KV_TYPE="q4_0")
    assert (chosen["n_ctx"], chosen["kv_type"]) == (512, "q4_0")
    assert chosen["total"] != planned(str(DEMO_MODEL))["total"]


def test_option_precedes_the_environment() -> None:
    chosen = planned(str(DEMO_MODEL), "--n-ctx", "256", "--kv-type", "q8_0", N_CTX="512", KV_TYPE="q4_0")
    assert (chosen["n_ctx"], chosen["kv_type"]) == (256, "q8_0")


def test_plan_agrees_with_the_doctor() -> None:
    env = {"N_CTX": "512", "KV_TYPE": "q8_0", "PREFIX_CACHE_MB": "100"}
    total = planned(str(DEMO_MODEL), **env)["total"]
    assert isinstance(total, int)
    findings = json.loads(function("doctor", str(DEMO_MODEL), "--json", env=env).stdout)["findings"]
    fits = next(each["found"] for each in findings if each["about"] == "fits")
    assert fits.startswith(f"{total / 1e6:.0f} MB with 512 tokens")


def test_tfvars_follow_the_environment() -> None:
    texts = {function("plan", str(DEMO_MODEL), "--tfvars", env={"KV_TYPE": kind}).stdout for kind in ("f16", "q4_0")}
    assert len(texts) == 2


@pytest.mark.parametrize("command", ["plan", "inspect", "fetch"])
def test_command_without_a_model_uses_model_uri(command: str) -> None:
    outcome = function(command, "--json", env={"MODEL_URI": str(DEMO_MODEL)})
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout)["uri"] == str(DEMO_MODEL)


@pytest.mark.parametrize("command", ["plan", "fetch", "bench", "capacity", "chat"])
def test_wrong_setting_is_one_sentence(command: str) -> None:
    arguments = [str(DEMO_MODEL), "--prompt", "100"] if command in ("capacity", "chat") else [str(DEMO_MODEL)]
    outcome = function(command, *arguments, env={"N_CTX": "-5"})
    assert outcome.returncode == 1
    assert outcome.stderr == (
        "N_CTX='-5' is not between 64 and 16,777,216. Correct it, or unset it: docs/settings.md.\n"
    )


def test_prices_have_a_currency_and_all_their_sources() -> None:
    report = function("plan", str(DEMO_MODEL)).stdout
    assert "/month" in report
    assert "$" in report
    assert all(f"https://{name}" in report for name in ("cloud.google.com/run/pricing", "aws.amazon.com/s3/pricing"))
