"""The gate before llama.cpp: intact headers are read, hostile ones are rejected with a sentence."""

import math
import pickle
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from function.errors import ModelError, NotGGUF
from function.gguf import Header, Incomplete, fit, parse_header, read_header
from function.gguf.memory import flash_attention, scores
from function.gguf.reader import Array
from tests.bert import random_bert, write_bert
from tests.changed_files import changed_files, ends_of, passes
from tests.encoders import LAYER_TENSORS, write_encoder
from tests.gguf_files import ARRAY, STRING, File, Key
from tests.gguf_mutations import TABLE, rename
from tools.models import write_model
from tools.shapes import SHAPES
from tools.vocabulary import CHATML

UINT32, INT32, FLOAT32, BOOL = 4, 5, 6, 7
Numbers = dict[str, int | list[int]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of intact files, named after their shapes."""
    folder = tmp_path_factory.mktemp("healthy")
    for name in ("tiny", "tiny-gqa", "tiny-window", "tiny-recurrent", "tiny-spm"):
        write_model(folder / name, SHAPES[name])
    return folder


@pytest.fixture(scope="module")
def pristine(folder: Path) -> bytes:
    return pickle.dumps(File.load(folder / "tiny"))


@pytest.fixture
def file(pristine: bytes) -> File:
    """Return an intact file for the test to change."""
    loaded: File = pickle.loads(pristine)
    return loaded


def parse(raw: bytes) -> Header:
    return parse_header(raw, file_size=len(raw))


def refused(file: File | bytes) -> str:
    """Return the sentence that rejects a file."""
    with pytest.raises(NotGGUF) as caught:
        parse(file if isinstance(file, bytes) else file.dump())
    assert caught.value.message.endswith(".")
    return caught.value.message


def numbered(file: File, architecture: str, numbers: Numbers) -> File:
    """Turn ``file`` into a model of ``architecture`` with ``numbers``; a list has one per layer."""
    rename(file, architecture)
    for key, value in numbers.items():
        name = f"{architecture}.{key}"
        file.set(name, UINT32, value) if isinstance(value, int) else file.set(name, ARRAY, value, UINT32)
    return file


def test_header_describes_the_model(folder: Path) -> None:
    header = read_header(folder / "tiny-gqa")
    assert (header.architecture, header.name, header.quantisation) == ("llama", "random-tiny-gqa", "Q8_0")
    assert (header.context_length, header.block_count, header.embedding_length) == (2048, 2, 128)
    assert (header.heads, header.kv_heads, header.key_length, header.value_length) == ((4, 4), (1, 1), 32, 32)
    assert (header.tokenizer, header.vocabulary_size, header.chat_template) == ("gpt2", 1024, CHATML)
    assert header.parameters == sum(math.prod(tensor.dims) for tensor in header.tensors)
    assert header.metadata["tokenizer.ggml.tokens"] == Array(STRING, 1024)
    assert header.split is None


def test_tensors_are_contiguous_and_fill_the_file(folder: Path) -> None:
    header = read_header(folder / "tiny")
    assert header.tensors[0].offset == header.data_offset
    for before, after in zip(header.tensors, header.tensors[1:], strict=False):
        assert before.offset + before.size <= after.offset < before.offset + before.size + 32
    assert header.tensors[-1].offset + header.tensors[-1].size <= header.file_size


def test_header_describes_other_architectures(folder: Path) -> None:
    window = read_header(folder / "tiny-window")
    assert (window.architecture, window.key_length, window.field("attention.sliding_window")) == ("gemma3", 32, 64)
    recurrent = read_header(folder / "tiny-recurrent")
    assert (recurrent.heads, recurrent.key_length, recurrent.field("ssm.state_size")) == ((0, 0), 0, 16)
    assert read_header(folder / "tiny-spm").chat_template is None


def test_quantisation_without_file_type_is_that_of_most_weights(file: File) -> None:
    assert parse(file.drop("general.file_type").dump()).quantisation == "Q8_0"


@pytest.mark.parametrize("name", ["tiny", "tiny-spm"])
def test_prefix_asks_for_more_bytes_until_complete(folder: Path, name: str) -> None:
    raw = (folder / name).read_bytes()
    have, asked = 0, 0
    while True:
        try:
            header = parse_header(raw[:have], file_size=len(raw))
            break
        except Incomplete as e:
            assert have < e.needed <= len(raw)
            have, asked = e.needed, asked + 1
    assert header == read_header(folder / name)
    assert asked < 40


def test_truncated_header_is_rejected_or_asks_for_more_bytes(pristine: bytes) -> None:
    file: File = pickle.loads(pristine)
    file.keys = [key for key in file.keys if key.item is None]  # only what is short; the rest is alike
    raw = file.dump()
    for cut in range(0, 2000, 7):
        assert "ends before" in refused(raw[:cut]) or cut < 4
        with pytest.raises(Incomplete):
            parse_header(raw[:cut], file_size=len(raw))


@pytest.mark.parametrize(
    "raw", [b"", b"GG", b"PK\x03\x04" + bytes(60), b"<!DOCTYPE html><html>", b"\x7fELF" + bytes(99)]
)
def test_foreign_file_is_rejected(raw: bytes) -> None:
    assert "not a GGUF" in refused(raw)


def test_unknown_version_and_byte_order_are_rejected(file: File) -> None:
    file.version = 1
    assert "version 1" in refused(file)
    file.version = 4
    assert "version 4" in refused(file)
    file.version = 3 << 24
    assert "big-endian" in refused(file)
    file.version = 2
    assert parse(file.dump()).architecture == "llama"


@pytest.mark.parametrize("count", [1 << 20, (1 << 63) - 1, (1 << 64) - 1])
def test_excessive_count_is_rejected(file: File, count: int) -> None:
    file.n_tensors = count
    assert "tensors" in refused(file)
    file.n_tensors, file.n_keys = None, count
    assert "keys" in refused(file)


@pytest.mark.parametrize("length", [1 << 24, 1 << 62, (1 << 64) - 1])
def test_length_beyond_the_file_is_rejected(file: File, length: int) -> None:
    key, name = file["general.name"], b"general.name"
    raw = file.dump()
    at = raw.index(name) + len(name) + 4
    assert key.value.encode() in raw[at : at + 40]
    changed = raw[:at] + struct.pack("<Q", length) + raw[at + 8 :]
    assert "'general.name'" in refused(changed)


@pytest.mark.parametrize("kind", [STRING, UINT32, 10])
@pytest.mark.parametrize("count", [1 << 28, 1 << 61, (1 << 64) - 1])
def test_array_longer_than_the_file_is_rejected(kind: int, count: int) -> None:
    raw = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"a" + struct.pack("<IIQ", ARRAY, kind, count)
    assert "'a'" in refused(raw + bytes(64))


def test_header_of_a_gigabyte_is_rejected() -> None:
    raw = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"a" + struct.pack("<IQ", STRING, 1 << 30)
    with pytest.raises(NotGGUF, match="longer than 64 MiB"):
        parse_header(raw, file_size=1 << 40)


def test_nested_array_and_unknown_type_are_rejected(file: File) -> None:
    file.keys.append(Key("nested", ARRAY, [b""], ARRAY))
    assert "'nested'" in refused(file)
    file.keys[-1] = Key("odd", 99, b"")
    assert "unknown type 99" in refused(file)


def test_duplicate_and_invalid_keys_are_rejected(file: File) -> None:
    file.keys.append(Key("general.name", STRING, "again"))
    assert "'general.name'" in refused(file)
    file.keys[-1] = Key("", STRING, "")
    assert "no name" in refused(file)
    file.keys[-1] = Key(b"\xff\xfe", STRING, "")
    assert "UTF-8" in refused(file)
    file.keys[-1] = Key("fine", STRING, b"\xc3(")
    assert "UTF-8" in refused(file)


@pytest.mark.parametrize("value", [0, 3, 48, (1 << 32) - 1])
def test_alignment_that_is_no_power_of_two_is_rejected(file: File, value: int) -> None:
    assert "general.alignment" in refused(file.set("general.alignment", UINT32, value))


@pytest.mark.parametrize("value", [1, 8])
def test_misaligned_weights_are_rejected(file: File, value: int) -> None:
    file.alignment = value
    for extra in range(8):  # whatever the header's length happens to be, one of these is off
        try:
            parse(file.set("general.alignment", UINT32, value).set("x", STRING, "x" * extra * 4 + "x").dump())
        except NotGGUF as e:
            assert "multiple of 32" in e.message
            return
    pytest.fail("every placement was taken")


def test_tensors_outside_the_file_overlapping_or_with_gaps_are_rejected(file: File) -> None:
    raw = file.dump()
    assert "truncated" in refused(raw[:-4096])
    assert "truncated" in refused(raw[: len(raw) // 2])
    file.tensors[1].offset = 0
    assert "overlaps" in refused(file)
    file.tensors[1].offset = 1 << 40
    assert "gap" in refused(file)


@pytest.mark.parametrize(
    ("dims", "word"),
    [
        ([1 << 62, 1 << 62, 1 << 62, 32], "truncated"),
        ([64, -1], "at least 1"),
        ([64, 0], "at least 1"),
        ([63, 1024], "blocks"),
        ([], "0 dimensions"),
        ([64] * 5, "5 dimensions"),
        ([64, 1 << 20], "truncated"),
    ],
)
def test_invalid_dimensions_are_rejected(file: File, dims: list[int], word: str) -> None:
    file.tensors[0].dims = dims
    assert word in refused(file)


def test_invalid_tensor_types_and_names_are_rejected(file: File) -> None:
    matrix = file.tensor("token_embd.weight")
    matrix.type = 4
    assert "unknown type 4" in refused(file)
    matrix.type, matrix.data = 28, bytes(64 * 1024 * 8)
    assert "F64" in refused(file)
    matrix.type, matrix.data, matrix.name = 0, bytes(64 * 1024 * 4), "x" * 64
    assert "longer than 63" in refused(file)
    matrix.name = "output_norm.weight"
    assert "twice" in refused(file)


def test_norm_that_is_not_f32_is_rejected(file: File) -> None:
    norm = file.tensor("output_norm.weight")
    norm.type, norm.data = 1, bytes(128)
    assert "must be F32" in refused(file)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("block_count", 0),
        ("block_count", 513),
        ("embedding_length", 0),
        ("context_length", 0),
        ("attention.head_count_kv", 3),
        ("attention.key_length", 0),
        ("rope.dimension_count", 0),
        ("rope.dimension_count", 33),
        ("rope.dimension_count", 34),
        ("expert_count", 1025),
        ("expert_count", 8),
        ("expert_used_count", 2),
        ("nextn_predict_layers", 2),
        ("interleave_moe_layer_step", 0),
    ],
)
def test_numbers_that_fail_an_assertion_are_rejected(file: File, key: str, value: int) -> None:
    assert f"{value:,}" in refused(file.set(f"llama.{key}", UINT32, value))


def test_expert_groups_that_do_not_divide_are_rejected(file: File) -> None:
    for key, value in (("expert_count", 9), ("expert_used_count", 2), ("expert_group_count", 2)):
        file.set(f"llama.{key}", UINT32, value)
    assert "expert_group_used_count" in refused(file)
    file.set("llama.expert_group_used_count", UINT32, 1)
    assert "9 experts" in refused(file)


def test_missing_and_mistyped_numbers_are_rejected(file: File) -> None:
    file.set("llama.attention.head_count", ARRAY, [2, 2, 2], UINT32)
    assert "3 values for 2 layers" in refused(file)
    file.set("llama.attention.head_count", STRING, "two")
    assert "'two'" in refused(file)
    assert "lacks llama.block_count" in refused(file.drop("llama.block_count"))
    assert "architecture" in refused(file.drop("general.architecture"))


@pytest.mark.parametrize("architecture", ["llama", "olmo2", "phimoe"])
def test_attention_without_heads_is_rejected(file: File, architecture: str) -> None:
    rename(file, architecture)
    key = f"{architecture}.attention.head_count"
    assert f"{key} is 0" in refused(file.set(key, UINT32, 0))
    assert f"{key} is 0" in refused(file.set(key, ARRAY, [2, 0], UINT32))
    assert f"lacks {key}" in refused(file.drop(key))


@pytest.mark.parametrize("architecture", ["deci", "granitehybrid", "plamo2"])
def test_layers_without_heads_are_accepted_in_hybrid_models(file: File, architecture: str) -> None:
    rename(file, architecture)
    for key in ("head_count", "head_count_kv"):
        file.set(f"{architecture}.attention.{key}", ARRAY, [2, 0], UINT32)
    assert parse(file.dump()).heads == (2, 0)


@pytest.mark.parametrize("architecture", ["bailingmoe2", "glm4moe", "grovemoe", "lfm2moe", "llada-moe", "smallthinker"])
def test_mixture_without_experts_is_rejected(file: File, architecture: str) -> None:
    numbered(file, architecture, {"attention.head_count_kv": [1, 0]} if architecture == "lfm2moe" else {})
    count, used = f"{architecture}.expert_count", f"{architecture}.expert_used_count"
    assert f"lacks {count}" in refused(file)
    assert f"{count} is 0" in refused(file.set(count, UINT32, 0).set(used, UINT32, 0))
    assert f"{used} is 0" in refused(file.set(count, UINT32, 4))
    assert f"{used} is 0" in refused(file.set(used, ARRAY, [0, 2], UINT32))
    assert parse(file.set(used, UINT32, 2).dump())


@pytest.mark.parametrize("architecture", ["paddleocr", "qwen2vl", "qwen3vl", "qwen35"])
def test_rope_without_sections_is_rejected(file: File, architecture: str) -> None:
    numbered(file, architecture, {"full_attention_interval": 2} if architecture == "qwen35" else {})
    key = f"{architecture}.rope.dimension_sections"
    assert f"lacks {key}" in refused(file)
    assert key in refused(file.set(key, ARRAY, [0, 0, 0, 16], INT32))
    assert key in refused(file.set(key, ARRAY, [16, 16], INT32))
    assert f"{key} is -16" in refused(file.set(key, ARRAY, [16, -16, 0, 0], INT32))
    assert parse(file.set(key, ARRAY, [8, 4, 4, 0], INT32).dump())


@pytest.mark.parametrize("architecture", ["glm4", "llama"])
def test_rope_sections_that_cancel_out_are_rejected(file: File, architecture: str) -> None:
    rename(file, architecture)
    key = f"{architecture}.rope.dimension_sections"
    assert f"{key} is -32" in refused(file.set(key, ARRAY, [16, 16, -32, 0], INT32))


@pytest.mark.parametrize(
    ("architecture", "numbers", "word"),
    [
        ("qwen2", {"rope.dimension_count": 16}, "16 are rotated"),
        ("smollm3", {"rope.dimension_count": 16}, "16 are rotated"),
        ("llama", {"attention.value_length": 16}, "32 and 16"),
        ("deepseek2", {"attention.key_length_mla": 32}, "32 are rotated"),
        ("mistral4", {}, "32 are rotated"),
        ("glm-dsa", {"attention.indexer.key_length": 16}, "attention.indexer.key_length"),
        ("jamba", {}, "attention.head_count_kv all of 2"),
        ("jamba", {"attention.head_count_kv": 0}, "attention.head_count_kv none of 2"),
        ("kimi-linear", {}, "attention.head_count_kv all of 2"),
        ("lfm2", {"attention.head_count_kv": [0, 0]}, "attention.head_count_kv none of 2"),
        ("nemotron_h", {"attention.head_count_kv": [2, 0]}, "attention.head_count_kv all of 0"),
        ("nemotron_h", {"attention.head_count_kv": [2, 0], "feed_forward_length": [0, 64]}, "head_count_kv all of 1"),
        ("nemotron_h", {"attention.head_count_kv": [2, 0], "feed_forward_length": [64, 0]}, "head_count_kv none of 1"),
        ("qwen3next", {}, "full_attention_interval none of 2"),
        ("qwen3next", {"full_attention_interval": 1}, "full_attention_interval all of 2"),
        ("qwen3next", {"full_attention_interval": 2, "nextn_predict_layers": 1}, "full_attention_interval none of 1"),
        ("qwen3next", {"attention.recurrent_layers": [1, 1]}, "attention.recurrent_layers none of 2"),
        ("granitehybrid", {"attention.head_count_kv": [2, 0], "ssm.inner_size": 64}, "ssm.inner_size"),
        ("mamba2", {"ssm.inner_size": 128, "ssm.time_step_rank": 3}, "ssm.time_step_rank"),
        ("mamba2", {"ssm.inner_size": 128, "ssm.group_count": 0}, "ssm.group_count"),
        ("lfm2", {"attention.head_count_kv": [2, 0], "shortconv.l_cache": 1}, "shortconv.l_cache"),
        ("rwkv7", {"wkv.head_size": 0}, "wkv.head_size"),
        ("rwkv7", {"wkv.head_size": 48}, "wkv.head_size"),
        ("rwkv6", {"token_shift_count": 1}, "token_shift_count"),
        ("minimax-m3", {"attention.indexer.block_size": 0}, "block_size"),
        ("nanbeige", {"num_loops": 0}, "num_loops"),
        ("nanbeige", {"num_loops": 257}, "num_loops"),
        ("hrm_text", {"hrm.layers_per_stack": 2, "hrm.h_cycles": 1, "hrm.l_cycles": 1}, "2 layers, not"),
    ],
)
def test_numbers_that_fail_an_assertion_of_one_architecture_are_rejected(
    file: File, architecture: str, numbers: Numbers, word: str
) -> None:
    assert word in refused(numbered(file, architecture, numbers))


@pytest.mark.parametrize(
    ("architecture", "numbers"),
    [
        ("qwen2", {"rope.dimension_count": 32}),
        ("phi2", {"rope.dimension_count": 16}),
        ("deepseek2", {"attention.key_length_mla": 48}),
        ("mamba2", {"ssm.inner_size": 128, "ssm.time_step_rank": 4, "ssm.group_count": 2}),
        ("rwkv7", {"wkv.head_size": 32}),
        ("nanbeige", {"num_loops": 2}),
        ("hrm_text", {"hrm.layers_per_stack": 1, "hrm.h_cycles": 1, "hrm.l_cycles": 1}),
        ("kimi-linear", {"attention.head_count_kv": [0, 2]}),
        ("nemotron_h", {"attention.head_count_kv": [0, 2], "feed_forward_length": [0, 0], "ssm.inner_size": 128}),
        ("qwen3next", {"full_attention_interval": 2}),
        ("qwen3next", {"attention.recurrent_layers": [1, 0]}),
    ],
)
def test_valid_numbers_of_one_architecture_are_accepted(file: File, architecture: str, numbers: Numbers) -> None:
    assert parse(numbered(file, architecture, numbers).dump()).architecture == architecture


def test_recurrent_layers_may_be_booleans(file: File) -> None:
    """Real models have them."""
    rename(file, "qwen3next")
    key = "qwen3next.attention.recurrent_layers"
    assert parse(file.set(key, ARRAY, [True, False], BOOL).dump())
    assert "none of 2" in refused(file.set(key, ARRAY, [True, True], BOOL))


@pytest.mark.parametrize("architecture", ["dflash", "eagle3", "gemma4-assistant"])
def test_draft_model_is_rejected(file: File, architecture: str) -> None:
    rename(file, architecture)
    with pytest.raises(ModelError, match="drafts for another"):
        parse(file.dump())


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_fraction_that_is_not_finite_is_rejected(file: File, value: float) -> None:
    assert "epsilon" in refused(file.set("llama.attention.layer_norm_rms_epsilon", FLOAT32, value))


def test_unknown_rope_scaling_is_rejected(file: File) -> None:
    assert "'spiral'" in refused(file.set("llama.rope.scaling.type", STRING, "spiral"))
    assert parse(file.set("llama.rope.scaling.type", STRING, "yarn").dump())


def test_short_vocabulary_array_is_rejected(file: File) -> None:
    del file["tokenizer.ggml.token_type"].value[100:]
    assert "token_type has 100 values" in refused(file)


def test_duplicate_token_is_rejected(file: File) -> None:
    tokens = file["tokenizer.ggml.tokens"].value
    tokens[700] = tokens[3]
    assert "Token 700" in refused(file)
    tokens[700], tokens[701] = "", "[EMPTY_700]"
    assert "Token 701" in refused(file)


def test_special_token_outside_the_vocabulary_is_rejected(file: File) -> None:
    assert "1,024 tokens" in refused(file.set("tokenizer.ggml.eos_token_id", UINT32, 1024))


def test_vocabulary_without_merges_or_tokens_is_rejected(file: File) -> None:
    assert "merges" in refused(file.drop("tokenizer.ggml.merges"))
    assert "tokens" in refused(file.drop("tokenizer.ggml.tokens"))


def test_sentencepiece_vocabulary_without_a_byte_is_rejected(folder: Path) -> None:
    file = File.load(folder / "tiny-spm")
    file["tokenizer.ggml.tokens"].value[3 + 200] = "something else"
    assert "byte 200" in refused(file)


@pytest.mark.parametrize("architecture", ["clip", "t5", "t5encoder", "wavtokenizer-dec"])
def test_intact_model_that_cannot_be_served_is_rejected(file: File, architecture: str) -> None:
    file["general.architecture"].value = architecture
    with pytest.raises(ModelError, match="neither writes text nor makes embeddings"):
        parse(file.dump())


def test_vocabulary_without_weights_is_rejected(file: File) -> None:
    file.tensors = []
    with pytest.raises(ModelError, match="no weights"):
        parse(file.dump())


def test_split_model_is_read_from_its_first_part(file: File) -> None:
    file.set("split.count", 2, 3).set("split.no", 2, 0)
    assert parse(file.dump()).split == (0, 3)
    with pytest.raises(ModelError, match="part 2 of 3"):
        parse(file.set("split.no", 2, 1).dump())
    assert "split" in refused(file.set("split.no", 2, 3))


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 1 << 32), cut=st.floats(0, 1))
def test_random_bytes_give_a_header_or_a_sentence(pristine: bytes, seed: int, cut: float) -> None:
    chance = random.Random(seed)
    raw = bytearray(pickle.loads(pristine).dump())
    for _ in range(chance.choice([1, 3, 30])):
        at = chance.randrange(min(len(raw), chance.choice([64, 1000, 40_000])))
        raw[at : at + 1] = chance.choice([bytes([chance.randrange(256)]), b"\xff" * 8, b"\0" * 8, b""])
    try:
        assert parse_header(bytes(raw[: int(len(raw) * cut)]), file_size=len(raw)).vocabulary_size
    except Incomplete as e:
        assert e.needed > int(len(raw) * cut)
    except ModelError as e:
        assert e.message


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_files_that_pass_do_not_crash_llama_cpp(folder: Path, tmp_path: Path) -> None:
    """llama.cpp may refuse changed files that pass the gate, but neither crashes nor hangs."""
    encoders = [
        write_bert(tmp_path / name, random_bert(classifier=True), pooling=pooling)
        for name, pooling in (("bert", 1), ("ranker", 4))
    ]
    encoders += [write_encoder(tmp_path / name, name, pooling=1) for name in LAYER_TENSORS]
    passed = changed_files([File.load(path) for path in [*sorted(folder.iterdir()), *encoders]], 600, tmp_path)
    ends = dict(zip((path.name for path in passed), ends_of(passed), strict=True))
    assert len(ends) > 50
    assert "ok" in ends.values()
    assert not {name: end for name, end in ends.items() if end.startswith("signal")}


STATE: dict[str, int | list[int]] = {
    "ssm.conv_kernel": 4, "ssm.inner_size": 128, "ssm.state_size": 16, "ssm.time_step_rank": 4, "ssm.group_count": 1,
}  # fmt: skip
LATENT: dict[str, int | list[int]] = {
    "attention.q_lora_rank": 32, "attention.kv_lora_rank": 32, "expert_feed_forward_length": 32,
    "expert_shared_count": 1, "expert_count": 4, "expert_used_count": 2, "expert_gating_func": 1,
}  # fmt: skip
LACKS: dict[str, dict[str, int | list[int]]] = {
    "nothing": {},
    "heads": {"attention.head_count": 0, "attention.head_count_kv": 0},
    "heads in a layer": {"attention.head_count": [0, 2], "attention.head_count_kv": [0, 2]},
    "experts": {"expert_count": 0, "expert_used_count": 0},
    "used experts": {"expert_count": 4, "expert_used_count": 0},
    "used experts in a layer": {"expert_count": 4, "expert_used_count": [0, 2]},
    "sections": {"rope.dimension_sections": [0, 0, 0, 0]},
    "sections that count": {"rope.dimension_sections": [0, 0, 0, 16]},
    "a sum of sections": {"rope.dimension_sections": [8, 8, -16, 0]},
    "a whole rotation": {"rope.dimension_count": 16},
    "a state": LATENT | STATE,
    "a state of its size": LATENT | STATE | {"ssm.inner_size": 64},
    "loops": {"num_loops": 0, "hrm.layers_per_stack": 1, "hrm.h_cycles": 0, "hrm.l_cycles": 1},
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_architectures_that_pass_do_not_crash_llama_cpp(folder: Path, tmp_path: Path) -> None:
    """Load every architecture of llama.cpp without heads, experts or rope sections."""
    healthy = [pickle.dumps(File.load(folder / name)) for name in ("tiny", "tiny-window", "tiny-recurrent")]
    passed = []
    for architecture in TABLE:
        for number, pristine in enumerate(healthy):
            for lack, values in LACKS.items():
                file: File = pickle.loads(pristine)
                rename(file, architecture)
                for key, value in values.items():
                    name = f"{architecture}.{key}"
                    if isinstance(value, int):
                        file.set(name, UINT32, value)
                    else:
                        file.set(name, ARRAY, value, INT32)
                raw = file.dump()
                if passes(raw):
                    passed.append(tmp_path / f"{architecture}, {number}, without {lack}")
                    passed[-1].write_bytes(raw)
    ends = dict(zip((path.name for path in passed), ends_of(passed), strict=True))
    assert "ok" in ends.values()
    assert not {name: end for name, end in ends.items() if end.startswith("signal")}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return an intact file of an encoder, with a classifier."""
    path = write_bert(tmp_path_factory.mktemp("encoder") / "bert", random_bert(classifier=True))
    return pickle.dumps(File.load(path))


@pytest.mark.parametrize(
    ("pooling", "kind", "name"),
    [(None, "embedding", "mean"), (0, "embedding", "mean"), (1, "embedding", "mean"), (2, "embedding", "cls"),
     (3, "embedding", "last"), (4, "reranker", "rank")],
)  # fmt: skip
def test_kind_of_an_encoder_follows_its_pooling(encoder: bytes, pooling: int | None, kind: str, name: str) -> None:
    file: File = pickle.loads(encoder)
    file.drop("bert.pooling_type")
    if pooling is not None:
        file.set("bert.pooling_type", UINT32, pooling)
    header = parse(file.dump())
    assert (header.kind, header.pooling, header.reads_whole) == (kind, name, True)


def test_decoder_makes_embeddings_only_with_pooling(file: File) -> None:
    assert (parse(file.dump()).kind, parse(file.dump()).pooling) == ("chat", None)
    last = parse(file.set("llama.pooling_type", UINT32, 3).dump())
    assert (last.kind, last.pooling, last.reads_whole) == ("embedding", "last", False)
    assert parse(file.set("llama.attention.causal", BOOL, False).dump()).reads_whole
    assert parse(file.drop("llama.attention.causal").set("llama.pooling_type", UINT32, 1).dump()).reads_whole
    with pytest.raises(ModelError, match="cannot rerank"):
        parse(file.set("llama.pooling_type", UINT32, 4).dump())


def test_pooling_of_a_setting_replaces_that_of_the_file(file: File, encoder: bytes) -> None:
    chat, bert = parse(file.dump()), parse(pickle.loads(encoder).dump())
    assert chat.with_pooling(None) is chat
    assert chat.with_pooling("last").kind == "embedding"
    assert bert.with_pooling("rank").kind == "reranker"
    with pytest.raises(ModelError, match="cannot rerank"):
        chat.with_pooling("rank")


@pytest.mark.parametrize(
    ("key", "value"),
    [("pooling_type", 5), ("attention.head_count", 3), ("attention.key_length", 16), ("attention.value_length", 16)],
)
def test_numbers_that_fail_an_assertion_of_encoders_are_rejected(encoder: bytes, key: str, value: int) -> None:
    file: File = pickle.loads(encoder)
    assert "bert" in refused(file.set(f"bert.{key}", UINT32, value))


@pytest.mark.parametrize(
    ("architecture", "key", "value"),
    [("gemma-embedding", "block_count", 5), ("gemma-embedding", "attention.sliding_window_pattern", 0),
     ("gemma-embedding", "dense_2_feat_in", 63), ("modern-bert", "block_count", 1),
     ("modern-bert", "attention.sliding_window_pattern", 1), ("jina-bert-v2", "feed_forward_length", 95)],
)  # fmt: skip
def test_encoder_that_fails_an_assertion_of_its_architecture_is_rejected(
    tmp_path: Path, architecture: str, key: str, value: int
) -> None:
    file = File.load(write_encoder(tmp_path / "encoder", architecture, pooling=1))
    assert parse(file.dump()).kind == "embedding"
    assert architecture in refused(file.set(f"{architecture}.{key}", UINT32, value)) or key == "feed_forward_length"


def test_wordpiece_vocabulary_with_bytes_is_rejected(encoder: bytes, file: File) -> None:
    changed: File = pickle.loads(encoder)
    changed["tokenizer.ggml.token_type"].value[30] = 6
    assert "single bytes" in refused(changed)
    file["tokenizer.ggml.model"].value = "bert"
    with pytest.raises(ModelError, match="tokenizer is 'bert'"):
        parse(file.dump())


def test_memory_of_an_encoder_is_that_of_one_text(encoder: bytes, file: File) -> None:
    """An encoder keeps nothing, but llama.cpp clears room for the logits of each of a text's tokens."""
    header = parse(pickle.loads(encoder).dump())
    small, large = fit(header, 64), fit(header, 2048)
    assert (small.kv_cache, small.prefix_cache, large.kv_cache) == (0, 0, 0)
    assert large.compute - small.compute > 4 * header.vocabulary_size * (2048 - 64)
    chat, pooled = fit(parse(file.dump()), 2048), fit(parse(file.dump()).with_pooling("last"), 2048)
    assert (pooled.kv_cache, pooled.prefix_cache) == (chat.kv_cache, 0)
    assert pooled.compute - chat.compute == 2 * 4 * 64 * parse(file.dump()).vocabulary_size


def test_flash_attention_depends_on_size_and_kv_type(tiny_model: Path) -> None:
    header = read_header(tiny_model)
    heads = max(header.heads)
    assert not flash_attention(heads, 2048)
    assert flash_attention(heads, 2048, "q8_0")
    assert flash_attention(32, 8192)
    assert scores(heads, 2048) == heads * 64 * 2048 * 4
    assert fit(header, 2048).compute - fit(header, 2048, "q8_0").compute == scores(heads, 2048)
