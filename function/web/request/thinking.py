"""Fields of a request that switch thinking off or limit it, under the names that servers give them."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from function.engine import THINKING_VARIABLE
from function.settings import Settings
from function.web.request.base_model import RequestModel, Unicode

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Budget = Annotated[int, Field(ge=-1, lt=2**31, description="Tokens of all thoughts; 0 is no thinking, -1 no limit.")]


@dataclass(frozen=True, slots=True)
class Thinking:
    """Limit of a reply's thoughts: ``budget`` in tokens; None is no limit, 0 is no thinking.

    ``message`` ends a thought that reaches the limit. ``enabled``: the request itself asks for thoughts, or for none.
    """

    budget: int | None
    message: str
    enabled: bool | None


class Reasoning(RequestModel):
    """Reasoning of a reply, as OpenRouter has it."""

    WITHOUT_EFFECT = ("summary", "generate_summary")
    UNSUPPORTED: ClassVar = {"exclude": (False,)}

    effort: Effort | None = None
    max_tokens: Budget | None = None
    enabled: bool | None = None


class ThinkingFields(RequestModel):
    """Base of requests whose replies may begin with a thought.

    The limit has a name in each server: llama-server's are ``thinking_budget_tokens`` and ``reasoning_budget_tokens``,
    vLLM's is ``thinking_token_budget``, Qwen's ``thinking_budget``. The first that is set counts.
    """

    thinking_budget_tokens: Budget | None = None
    reasoning_budget_tokens: Budget | None = None
    thinking_token_budget: Budget | None = None
    thinking_budget: Budget | None = None
    reasoning_budget: Budget | None = None
    reasoning_budget_message: Unicode | None = Field(default=None, max_length=1024)
    enable_thinking: bool | None = None
    reasoning_effort: Effort | None = None
    reasoning: Reasoning = Reasoning()

    @property
    def effort(self) -> Effort | None:
        """Level of effort, by either name."""
        return self.reasoning_effort or self.reasoning.effort

    def thinking(self, settings: Settings, variable: Any = None) -> Thinking:
        """Return the limit; ``settings`` hold for what the request does not set.

        ``variable`` is the request's value for the template's variable ``enable_thinking``.
        """
        wishes = (variable, self.enable_thinking, self.reasoning.enabled, False if self.effort == "none" else None)
        enabled: bool | None = next((wish for wish in wishes if isinstance(wish, bool)), None)
        limits = (
            self.thinking_budget_tokens,
            self.reasoning_budget_tokens,
            self.thinking_token_budget,
            self.thinking_budget,
            self.reasoning_budget,
            self.reasoning.max_tokens,
        )
        budget = next((limit for limit in limits if limit is not None), None)
        if budget is None:
            budget = -1 if enabled and settings.thinking_budget == 0 else settings.thinking_budget
        default = (settings.chat_template_kwargs or {}).get(THINKING_VARIABLE) is not False
        if not (default if enabled is None else enabled):
            budget = 0
        message = self.reasoning_budget_message
        return Thinking(
            budget=None if budget < 0 else budget,
            message=(settings.thinking_budget_message or "") if message is None else message,
            enabled=enabled,
        )
