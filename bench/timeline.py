"""stub"""


def draw(phases: dict[str, float], seconds: float) -> str:
    return ""
