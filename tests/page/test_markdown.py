"""Growing Markdown is drawn like the whole text."""

from playwright.sync_api import expect

from tests.page.conftest import Visitor
from tests.servers.page_server import Gate, PageServer, ending, first, text, whole

EVERYTHING = """\
# A title

Two paragraphs, the first
with a line break.

The second with **bold**, *soft*, ~~gone~~, `code` and [a link](https://example.com).

1. one
   - nested

     ```sh
     ls -l
     ```

2. two

- [x] done
- [ ] open

| left | right |
|:-----|------:|
| 1    | 2     |

> quoted

```python
def f() -> None:
    pass
```

---

Setext
======

The end, and a [reference][r].

[r]: https://example.org "there"
"""
DRAWN = "document.querySelectorAll('.reply .markdown')[%d].innerHTML"


def test_growing_markdown_equals_whole_markdown(visitor: Visitor, server: PageServer) -> None:
    gates = [Gate() for _ in range(0, len(EVERYTHING), 9)]
    pieces = text(EVERYTHING, size=9)
    grown = [step for piece, gate in zip(pieces, gates, strict=True) for step in (piece, gate)]
    server.will([first(), *grown, *ending()], whole(EVERYTHING))
    visitor.say("Slowly")
    for gate in gates:
        gate.reached.wait(30)
        visitor.page.evaluate("new Promise(requestAnimationFrame)")
        gate.open()
    visitor.rest()
    visitor.ask("At once")
    assert visitor.page.evaluate(DRAWN % 0) == visitor.page.evaluate(DRAWN % 1)
    visitor.shot("markdown")
    reply = visitor.replies.first
    expect(reply.locator("h3")).to_have_text(["A title", "Setext"])
    expect(reply.locator(".code code")).to_have_text(["ls -l", "def f() -> None:\n    pass"])
    expect(reply.locator("td")).to_have_text(["1", "2"])
    expect(reply.get_by_role("link", name="reference")).to_have_attribute("href", "https://example.org")


def test_settled_blocks_are_not_drawn_again(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([first(), *text("One.\n\nTwo.\n\nThree.\n\nFour"), gate, *text(" and on.\n\nFive."), *ending()])
    visitor.say("Count")
    blocks = visitor.replies.locator(".block")
    expect(blocks).to_have_count(4)
    visitor.page.evaluate("document.querySelectorAll('.block').forEach((block) => { block.mine = true; })")
    gate.open()
    visitor.rest()
    expect(blocks).to_have_count(5)
    kept = visitor.page.evaluate("[...document.querySelectorAll('.block')].map((block) => block.mine === true)")
    assert kept == [True, True, True, False, False]


def test_long_code_block_grows_in_place(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([first(), *text("```js\nlet a;\n"), gate, *text("let b;\n```\n"), *ending()])
    visitor.say("Code")
    expect(visitor.replies.locator("code")).to_have_text("let a;")
    visitor.page.evaluate("document.querySelector('.code code').mine = true")
    gate.open()
    visitor.rest()
    expect(visitor.replies.locator("code")).to_have_text("let a;\nlet b;")
    assert visitor.page.evaluate("document.querySelector('.code code').mine") is True
