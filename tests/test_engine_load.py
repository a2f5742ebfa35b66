"""Loading of models: a file that cannot be served is an error with a reason, never a crash."""

import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from function.engine import Engine, Finished, Job, LoadOptions, Sampling
from function.errors import ChecksumMismatch, EngineError, ModelError, Stopping
from function.gguf import KVType, fit, read_header
from function.gguf.memory import KV_BITS
from tests.drip import placeholder
from tools.models import write_model
from tools.shapes import SHAPES, Shape


def test_context_beyond_the_models_own_is_lowered_and_logged(
    tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        engine = Engine.load(tiny_model, LoadOptions(n_ctx=1 << 20))
    engine.close()
    assert engine.n_ctx == 2048
    assert "1048576" in caplog.text
    assert "2048" in caplog.text


def test_progress_is_reported_to_the_end(tiny_model: Path) -> None:
    reported: list[float] = []
    Engine.load(tiny_model, LoadOptions(), on_progress=reported.append).close()
    assert reported == sorted(reported)
    assert reported[-1] == 1.0


def test_load_can_be_cancelled(tiny_model: Path) -> None:
    cancel = threading.Event()
    with pytest.raises(Stopping):
        Engine.load(tiny_model, LoadOptions(), on_progress=lambda _: cancel.set(), cancel=cancel)
    cancel.set()
    with pytest.raises(Stopping):
        Engine.load(tiny_model, LoadOptions(), cancel=cancel)


def test_progress_callback_error_is_raised(tiny_model: Path) -> None:
    def fail(_: float) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Engine.load(tiny_model, LoadOptions(), on_progress=fail)


@pytest.mark.parametrize("size", [0, 3, 100, 50_000, 100_000, -1])
def test_truncated_file_is_an_error(tiny_model: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(tiny_model.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"cut\.gguf"):
        Engine.load(path, LoadOptions())


def test_missing_or_foreign_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        Engine.load(tmp_path / "none.gguf", LoadOptions())
    foreign = tmp_path / "foreign.gguf"
    foreign.write_bytes(b"PK\x03\x04" * 1000)
    with pytest.raises(ModelError):
        Engine.load(foreign, LoadOptions())
    with pytest.raises(ModelError):
        Engine.load(tmp_path, LoadOptions())


@pytest.fixture
def damaged(tiny_model: Path, tmp_path: Path) -> Path:
    data = bytearray(tiny_model.read_bytes())
    data[-4 * 64 :] = b"\xff\xff\xff\x7f" * 64  # the last tensor, the norm before the output: NaN
    path = tmp_path / "damaged.gguf"
    path.write_bytes(data)
    return path


def test_damaged_weights_are_an_error(damaged: Path) -> None:
    with pytest.raises(ModelError, match="NaN"):
        Engine.load(damaged, LoadOptions())


def test_damage_found_by_the_first_prompt_ends_the_engine(damaged: Path) -> None:
    engine = Engine.load(damaged, LoadOptions(), client_waiting=lambda: True)
    (*_, last), (*_, next_in_line) = engine.submit(Job((1, 2, 3))), engine.submit(Job((1, 2, 3)))
    for event in (last, next_in_line):
        assert isinstance(event, Finished)
        assert isinstance(event.error, ModelError)
    while engine.failure is None:
        pass
    with pytest.raises(ModelError, match="NaN"):
        engine.submit(Job((1, 2, 3)))
    engine.close()


def test_vocabulary_reader_gets_stopping_when_the_load_fails(tiny_model: Path) -> None:
    began = threading.Event()
    ended: Future[BaseException] = Future()

    def read(engine: Engine) -> None:
        try:
            while True:
                engine.tokenize("Tell me more about this, " * 100, add_special=False, parse_special=True)
                began.set()
        except BaseException as e:
            ended.set_result(e)

    def set_up(engine: Engine) -> None:
        threading.Thread(target=read, args=(engine,), name="reader").start()

    def fails() -> Path:
        began.wait(60)
        raise ChecksumMismatch("The bytes are wrong.")

    with pytest.raises(ChecksumMismatch):
        Engine.load(placeholder(tiny_model, fails), LoadOptions(), on_vocabulary=set_up)
    assert isinstance(ended.result(60), Stopping)


def test_failed_deadline_thread_ends_only_its_job(tiny_model: Path) -> None:
    engine = Engine.load(tiny_model, LoadOptions())
    timed = Job((1, 2, 3), max_tokens=2, deadline=time.monotonic() + 600)
    normal = threading.stack_size(1 << 46)  # more than an address space has
    try:
        (*_, last) = engine.submit(timed)
    finally:
        threading.stack_size(normal)
    assert isinstance(last, Finished)
    assert isinstance(last.error, EngineError)
    (*_, last) = engine.submit(timed)
    engine.close()
    assert isinstance(last, Finished)
    assert last.reason in ("length", "stop")


def test_file_without_a_template_gets_the_one_of_its_vocabulary(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_model(tmp_path / "plain.gguf", SHAPES["tiny"], chat_template=None)
    engine = Engine.load(path, LoadOptions())
    engine.close()
    assert engine.template_source == "chatml (by vocabulary)"
    assert "chatml" in caplog.text


def test_unknown_template_is_an_error_that_asks_for_one(tmp_path: Path) -> None:
    path = write_model(tmp_path / "plain.gguf", SHAPES["tiny-spm"])
    with pytest.raises(ModelError, match="CHAT_TEMPLATE"):
        Engine.load(path, LoadOptions())
    engine = Engine.load(path, LoadOptions(chat_template="llama2-sys-bos"))
    try:
        assert engine.template_source == "llama2-sys-bos (setting)"
        tokens = engine.tokenize_chat([{"role": "user", "content": "hi"}])
        (bos,) = engine.tokenize("", add_special=True, parse_special=False)
        assert tokens[0] == bos
        assert tokens.count(bos) == 1
        assert engine.detokenize(tokens) == " [INST] hi [/INST]"
    finally:
        engine.close()


def test_default_of_an_unknown_variable_is_an_error(tmp_path: Path) -> None:
    path = write_model(tmp_path / "plain.gguf", SHAPES["tiny"], chat_template="{{ messages[0].content }}{{ colour }}")
    for name in ("color", "messages", "bos_token"):
        with pytest.raises(ModelError, match=f"CHAT_TEMPLATE_KWARGS.*{name}"):
            Engine.load(path, LoadOptions(chat_template_kwargs={name: "red"}))
    # The switch of thinking holds for every model, with or without such a variable.
    engine = Engine.load(path, LoadOptions(chat_template_kwargs={"colour": "red", "enable_thinking": False}))
    try:
        assert engine.render([{"role": "user", "content": "hi"}]) == "hired"
        assert engine.render([{"role": "user", "content": "hi"}], colour="blue") == "hiblue"
    finally:
        engine.close()


def test_prompt_has_exactly_one_bos(tmp_path: Path) -> None:
    path = write_model(tmp_path / "plain.gguf", SHAPES["tiny-spm"])
    for template in ("{{ bos_token }}{{ bos_token }}hi", "{{ bos_token }}hi", "{{ '' }}hi"):
        engine = Engine.load(path, LoadOptions(chat_template=template))
        try:
            tokens = engine.tokenize_chat([])
            assert tokens[0] == engine.tokenize("", add_special=True, parse_special=False)[0]
            assert tokens[1] != tokens[0]
        finally:
            engine.close()


def test_invalid_jinja_template_is_an_error(tiny_model: Path) -> None:
    with pytest.raises(ModelError, match="CHAT_TEMPLATE"):
        Engine.load(tiny_model, LoadOptions(chat_template="{% if %}"))


@pytest.mark.parametrize("kind", KV_BITS)
def test_model_replies_with_each_kv_type(slow_model: Path, kind: KVType) -> None:
    engine = Engine.load(slow_model, LoadOptions(n_ctx=512, kv_type=kind))
    try:
        prompt = engine.tokenize_chat([{"role": "user", "content": "hi"}])
        generation = engine.submit(Job(prompt=prompt, max_tokens=4, sampling=Sampling(ignore_eos=True, seed=1)))
        *_, last = iter(generation)
    finally:
        engine.close()
    assert isinstance(last, Finished)
    assert last.usage.completion_tokens == 4


def test_memory_by_kv_type_matches_the_estimate(slow_model: Path) -> None:
    """Compare memory beyond the smallest type, in separate processes."""
    script = (
        "import re, sys; from pathlib import Path; from function.engine import Engine, LoadOptions; "
        "engine = Engine.load(Path(sys.argv[1]), LoadOptions(n_ctx=8192, kv_type=sys.argv[2]));"
        "print(re.search(r'RssAnon:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]); engine.close()"
    )
    held, planned = {}, {}
    kinds: tuple[KVType, ...] = ("f32", "f16", "q8_0", "q4_0")
    for kind in kinds:
        done = subprocess.run([sys.executable, "-c", script, slow_model, kind], capture_output=True, check=True)
        held[kind] = int(done.stdout) * 1024
        planned[kind] = fit(read_header(slow_model), 8192, kind).kv_cache
    assert planned["f16"] == 8192 * 8 * 2 * 2 * 64 * 2, "tokens, layers, keys and values, heads, width, bytes"
    for kind in kinds[:-1]:
        assert held[kind] - held["q4_0"] == pytest.approx(planned[kind] - planned["q4_0"], rel=0.05)


def test_unsuitable_kv_type_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    odd = Shape("odd", 1, 96, 4, 4, 128, 512, 256)  # heads of 24, which no block of 32 divides
    path = write_model(tmp_path / "odd.gguf", odd)
    with pytest.raises(EngineError, match="KV_TYPE=f16"):
        Engine.load(path, LoadOptions(kv_type="q8_0"))
    Engine.load(path, LoadOptions()).close()
