"""``tools`` and ``tool_choice``: the calls that a reply may make, or must."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from function.engine import relax_schema
from function.errors import RequestError
from function.web.request.base_model import RequestModel, Unicode

if TYPE_CHECKING:
    from function.dialect.tool_grammar import ToolSignature

Name = Annotated[str, Field(pattern="^[a-zA-Z0-9_.:/-]{1,128}$")]
NOTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
"""The parameters of a function that has none."""


class Function(RequestModel):
    """A function that the caller carries out."""

    name: Name
    description: Unicode | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(RequestModel):
    """Something a reply may call."""

    type: Literal["function"]
    function: Function

    def for_template(self) -> dict[str, Any]:
        """Return the tool as chat templates take it."""
        function = self.function
        described = {
            "name": function.name,
            "description": function.description or "",
            "parameters": function.parameters or NOTHING,
        }
        return {"type": "function", "function": described}


class ToolName(RequestModel):
    """One function by its name."""

    name: Unicode


class NamedTool(RequestModel):
    """One tool by its name."""

    type: Literal["function"]
    function: ToolName


class AllowedTools(RequestModel):
    """Some of the tools, and whether one of them must be called."""

    mode: Literal["auto", "required"]
    tools: list[NamedTool] = Field(min_length=1)


class ToolChoiceRequest(RequestModel):
    """The choice of a tool."""

    type: Literal["none", "auto", "required", "function", "allowed_tools"]
    function: ToolName | None = None
    allowed_tools: AllowedTools | None = None

    @property
    def required(self) -> bool:
        """True if the reply must call a tool."""
        return self.type in ("required", "function") or (
            self.allowed_tools is not None and self.allowed_tools.mode == "required"
        )

    @property
    def is_named(self) -> bool:
        """True if the reply must be one call of one function."""
        return self.type == "function"

    def among(self, tools: Sequence[Tool | RequestModel]) -> list[tuple[int, Tool]]:
        """Return those of ``tools`` that may be called, each with its index.

        Tools that are skipped are never among them. Raises RequestError for a name that occurs twice or not at all.
        """
        functions = {index: tool for index, tool in enumerate(tools) if isinstance(tool, Tool)}
        known: set[str] = set()
        for index, tool in functions.items():
            name = tool.function.name
            if name in known:
                raise RequestError(
                    f"tools.{index}.function.name: {name!r} is there twice.", param=f"tools.{index}.function.name"
                )
            known.add(name)
        if self.type == "none":
            return []
        names = known
        if self.type == "function":
            names = {self._part("function", self.function).name}
        elif self.type == "allowed_tools":
            names = {tool.function.name for tool in self._part("allowed_tools", self.allowed_tools).tools}
        if self.required and not functions:
            raise RequestError("tool_choice: there are no tools to call.", param="tool_choice")
        if unknown := sorted(names - known):
            raise RequestError(f"tool_choice: there is no tool called {unknown[0]!r}.", param="tool_choice")
        return [(index, tool) for index, tool in functions.items() if tool.function.name in names]

    def _part(self, name: str, part: Any) -> Any:
        if part is None:
            raise RequestError(f"tool_choice.{name}: it is missing.", param=f"tool_choice.{name}")
        return part


def _object(given: Any) -> Any:
    return {"type": given} if isinstance(given, str) else given


ToolChoice = Annotated[
    ToolChoiceRequest,
    BeforeValidator(_object, json_schema_input_type=Literal["none", "auto", "required"] | ToolChoiceRequest),
]


def signatures(tools: Sequence[tuple[int, Tool]]) -> "tuple[list[ToolSignature], list[str]]":
    """Return ``tools`` as a grammar takes them, and the paths of rules that are not enforced."""
    from function.dialect.tool_grammar import ToolSignature

    made, dropped = [], list[str]()
    for place, tool in tools:
        param = f"tools.{place}.function.parameters"
        given = NOTHING if tool.function.parameters is None else tool.function.parameters
        parameters, lost = relax_schema(given, param, strict=bool(tool.function.strict))
        made.append(ToolSignature(tool.function.name, parameters, param))
        dropped += lost
    return made, dropped
