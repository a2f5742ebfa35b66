"""Formulas and coloured code, under the page's own policy."""

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Visit, Visitor
from tests.servers.page_server import PageServer, whole

FORMULAS = r"""Euler: \( e^{i\pi} + 1 = 0 \), and $x^2$.

\[ \int_0^1 x^2\,dx \]

$$\begin{pmatrix} a & b \\ c & d \end{pmatrix}$$

It costs $5 and not $6, and `$HOME` is code."""


def test_formulas_are_mathml(visitor: Visitor, server: PageServer) -> None:
    server.will(whole(FORMULAS))
    visitor.ask("Maths?")
    expect(visitor.replies.locator("math")).to_have_count(4)
    expect(visitor.replies.locator(".math.display math")).to_have_count(2)
    expect(visitor.replies.locator("mtable")).to_have_count(1)
    expect(visitor.replies.locator(".markdown")).to_contain_text("It costs $5 and not $6, and $HOME is code.")
    visitor.shot("maths")


@pytest.mark.parametrize(
    "tex",
    [
        r"\href{javascript:window.trapped=1}{x}",
        r"\includegraphics{https://evil.example/a.png}",
        r"\frac{",
        r"\def\a{\a\a}\a",
        r"</span><img src=x onerror=window.trapped=1>",
        r"\text{<img src=x onerror=window.trapped=1>}",
        r"\style{background:url(https://evil.example/)}{x}",
        "x" * 6000,
    ],
)
def test_hostile_formulas_are_shown_and_load_nothing(visitor: Visitor, server: PageServer, tex: str) -> None:
    server.will(whole(f"Before ${tex}$ after"))
    visitor.ask("Maths?")
    expect(visitor.replies.locator(".markdown")).to_contain_text("Before")
    expect(visitor.replies.locator(".markdown")).to_contain_text("after")
    expect(visitor.replies.locator(".markdown :is(img, a[href^=javascript])")).to_have_count(0)
    assert visitor.page.evaluate("window.trapped") is None


def test_code_is_coloured_and_stays_text(visit: Visit, server: PageServer) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    code = "def f():\n    return '<b>bold</b>'  # <img src=x onerror=window.trapped=1>"
    server.will(whole(f"```python\n{code}\n```\n\n```no-such-language\n<b>\n```"))
    visitor.ask("Code?")
    blocks = visitor.replies.locator(".code code")
    expect(blocks.first.locator(".hljs-keyword").first).to_have_text("def")
    expect(blocks).to_have_text([code, "<b>"])
    expect(blocks.locator("img, b")).to_have_count(0)
    visitor.page.get_by_role("button", name="Copy code").first.click()
    expect(visitor.page.locator(".copied")).to_have_count(1)
    assert visitor.page.evaluate("navigator.clipboard.readText()") == code


@pytest.mark.parametrize("width", [390, 1280])
def test_long_lines_of_code_can_be_wrapped(visit: Visit, server: PageServer, width: int) -> None:
    visitor = visit(viewport={"width": width, "height": 760})
    server.will(whole(f"```text\n{'word ' * 200}\n```"))
    visitor.ask("Code?")
    fits = "(pre) => pre.scrollWidth <= pre.clientWidth"
    pre = visitor.replies.locator(".code pre")
    assert not pre.evaluate(fits)
    wrap = visitor.page.get_by_role("button", name="Wrap long lines")
    wrap.click()
    expect(wrap).to_have_attribute("aria-pressed", "true")
    assert pre.evaluate(fits)
