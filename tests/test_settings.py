import re
from dataclasses import fields
from pathlib import Path

import pytest

from function import default_model
from function.errors import SettingsError
from function.settings import Settings

SETTINGS = Path(__file__).parent.parent / "docs" / "settings.md"


def test_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings().model_uri == str(default_model.find())
    assert Settings().serves_default_model


def test_empty_value_counts_as_not_set() -> None:
    assert Settings.from_env({"PORT": "", "API_KEY": " "}) == Settings()


def test_values_are_parsed() -> None:
    settings = Settings.from_env(
        {
            "MODEL_URI": "gs://bucket/model.gguf",
            "N_CTX": "2048",
            "REQUEST_TIMEOUT": "12.5",
            "CORS_ORIGINS": "https://a.example, https://b.example",
            "LOG_LEVEL": "debug",
            "MODEL_CACHE_DIR": "/cache",
            "CHAT_TEMPLATE_KWARGS": '{"enable_thinking": false, "n": 1}',
            "THINKING_BUDGET": "0",
        }
    )
    assert settings.model_uri == "gs://bucket/model.gguf"
    assert settings.n_ctx == 2048
    assert settings.request_timeout == 12.5
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.log_level == "DEBUG"
    assert settings.chat_template_kwargs == {"enable_thinking": False, "n": 1}
    assert settings.thinking_budget == 0
    assert settings.model_cache_dir == Path("/cache")


def test_white_space_is_kept_in_prose_only() -> None:
    settings = Settings.from_env({"SYSTEM_PROMPT": " be kind\n", "API_KEY": "key\n", "LOG_LEVEL": " info "})
    assert (settings.system_prompt, settings.api_key, settings.log_level) == (" be kind\n", "key", "INFO")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("N_CTX", "many"),
        ("N_CTX", "-1"),
        ("PORT", "70000"),
        ("REQUEST_TIMEOUT", "nan"),
        ("QUEUE_SIZE", "1.5"),
        ("LOG_LEVEL", "chatty"),
        ("MODEL_SHA256", "abc"),
        ("CHAT_TEMPLATE_KWARGS", "enable_thinking"),
        ("CHAT_TEMPLATE_KWARGS", "[1]"),
        ("THINKING_BUDGET", "-2"),
    ],
)
def test_invalid_value_is_an_error_with_key_and_value(key: str, value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_env({key: value})
    assert key in str(raised.value)
    assert value in str(raised.value)


def test_documentation_lists_every_setting_with_its_default_and_meaning() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_0-9]+)` \| (.*) \|$", SETTINGS.read_text(), re.MULTILINE))
    for item in fields(Settings):
        shown = item.metadata["shown"]
        if shown is None:
            shown = f"`{item.default:g}`" if isinstance(item.default, float) else f"`{item.default}`"
        assert rows.get(item.name.upper()) == f"{shown} | {item.metadata['meaning']}"
