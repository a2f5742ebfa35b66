"""The command ``capacity``: options, recommendation, files it writes."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.command_line import function

SPEEDS = ("--cold-start", "6", "--prefill", "150", "--decode", "30")
OFFICE = ("--per-hour", "20", "--daily", "office", "--weekly", "workdays", "--days", "7")


def test_given_settings_are_simulated_the_same_each_time() -> None:
    first, second = (function("capacity", *SPEEDS, *OFFICE, "--json") for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    given = json.loads(first.stdout)["given"]
    assert 2500 < given["requests"] < 4500
    assert 0 < given["cold_share"] < 0.2
    times = given["first_token_seconds"]
    assert times["p50"] < times["p95"] < times["p99"]
    assert given["cost_month"]["total"] == pytest.approx(sum(given["cost_month"].values()) / 2, abs=0.001)


def test_queue_size_refuses_what_would_wait() -> None:
    spike = ("--per-hour", "1", "--days", "7", "--spike", "wed 20:00 400 30", "--max-instances", "1")
    shares = []
    for queue in ((), ("--queue-size", "1"), ("--queue-size", "0")):
        outcome = function("capacity", *SPEEDS, *spike, *queue, "--json")
        assert outcome.returncode == 0, outcome.stderr
        shares.append(json.loads(outcome.stdout)["given"]["refused_share"])
    assert 0 < shares[0] < shares[1] < shares[2]
    refused = function("capacity", *SPEEDS, "--queue-size", "-1")
    assert refused.returncode == 1
    assert "--queue-size must be 0 or more" in refused.stderr


def test_recommendation_holds_the_target_and_is_written(tmp_path: Path) -> None:
    picture, tfvars = tmp_path / "c.svg", tmp_path / "c.tfvars"
    arguments = ("--recommend", "--p95-first-token", "4", "--svg", str(picture), "--tfvars", str(tfvars), "--json")
    outcome = function("capacity", *SPEEDS, *OFFICE, *arguments)
    assert outcome.returncode == 0, outcome.stderr
    shown = json.loads(outcome.stdout)
    best = shown["recommended"]
    assert best["first_token_seconds"]["p95"] <= 4 < shown["given"]["first_token_seconds"]["p95"]
    assert best["refused_share"] <= 0.001
    holding = [each for each in shown["alternatives"] if each["first_token_seconds"]["p95"] <= 4]
    assert best["cost_month"]["total"] == min(each["cost_month"]["total"] for each in holding)
    schedule = "null" if best["warmup_schedule"] is None else json.dumps(best["warmup_schedule"])
    assert tfvars.read_text().splitlines() == [
        f"max_instances = {best['max_instances']}",
        f"min_instances = {best['min_instances']}",
        f"memory_mib = {best['memory_mib']}",
        f"cpu = {best['cpus']:g}",
        f"warmup_schedule = {schedule}",
    ]
    svg = ElementTree.fromstring(picture.read_text())
    assert len([each for each in svg.iter() if each.get("class") == "p95"]) == 1 + len(shown["alternatives"])


def test_table_shows_the_cheapest_settings(tiny_model: Path) -> None:
    outcome = function("capacity", tiny_model, "--per-hour", "30", "--days", "2", "--recommend", "--platform", "lambda")
    assert outcome.returncode == 0, outcome.stderr
    assert re.search(r"^settings +p50 +p95 +p99 +cold +429 ", outcome.stdout, re.MULTILINE)
    assert "Cheapest with 95 % of first tokens within 3 s: the second row" in outcome.stdout
    assert outcome.stdout.count("Lambda") == 5


def test_log_gives_traffic_lengths_and_speeds(tmp_path: Path) -> None:
    lines = [
        {"event": "reply", "time": f"2026-03-0{2 + day}T10:{minute:02}:00.000Z", "seconds": 6.0, "wait": 5.0,
         "prefill": 1.0, "prompt_tokens": 100, "cached_tokens": 0, "completion_tokens": 50, "tokens_per_second": 25.0}
        for day in range(4) for minute in (0, 5, 50)
    ]  # fmt: skip
    (tmp_path / "log.json").write_text("\n".join(map(json.dumps, lines)))
    outcome = function("capacity", "--log", tmp_path / "log.json", "--json")
    assert outcome.returncode == 0, outcome.stderr
    given = json.loads(outcome.stdout)["given"]
    assert given["requests"] == 12
    assert given["cold_share"] == pytest.approx(8 / 12, abs=1e-4)  # the one five minutes later finds it warm
    assert given["first_token_seconds"]["p99"] == pytest.approx(5 + 1 + 1 / 25, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Give the model's URI, or its speeds: --cold-start, --prefill, --decode."),
        ((*SPEEDS, "--daily", "lunch"), "--daily lunch: give flat, office, public, night, or 24 weights"),
        ((*SPEEDS, "--weekly", "1,2"), "or 7 weights"),
        ((*SPEEDS, "--spike", "someday"), "give day, time, requests and minutes"),
        ((*SPEEDS, "--size", "huge"), "give vCPUs and MiB, like 4:8192"),
        ((*SPEEDS, "--min-instances", "9"), "--min-instances must be between 0 and --max-instances"),
        ((*SPEEDS, "--warmup", "hourly"), "is not a cron expression"),
        ((*SPEEDS, "--prompt", "long"), "is not a length in tokens"),
        ((*SPEEDS, "--days", "5000"), "--days is at most 366"),
        ((*SPEEDS, "--log", "/nonexistent/log"), "cannot be read"),
    ],
)
def test_wrong_options_are_rejected_in_a_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    outcome = function("capacity", *arguments)
    assert outcome.returncode == 1
    assert sentence in outcome.stderr
    assert "Traceback" not in outcome.stderr
