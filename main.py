"""What ``functions-framework --target chat`` loads."""

from function.main import chat

__all__ = ["chat"]
