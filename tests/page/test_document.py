"""The page as a document: small, self-contained, and restricted to its own content."""

import base64
import gzip
import hashlib
import re
from html.parser import HTMLParser

from function.web.page import ROOT, render

SCRIPTS = ROOT / "scripts"
MAX_COMPRESSED_BYTES = 250_000


class Outline(HTMLParser):
    """Inline texts of a document, and its attributes, which could refer to another one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._into: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.extend(attrs)
        self._into = {"script": self.scripts, "style": self.styles}.get(tag)
        if self._into is not None:
            self._into.append("")

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._into = None


def outline() -> Outline:
    return Outline(render().body.decode())


def directive(name: str) -> list[str]:
    policy = dict(part.split(" ", 1) for part in render().content_security_policy.split("; "))
    return policy[name].split()


def hashes(texts: list[str]) -> list[str]:
    return [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts]


def test_page_is_small() -> None:
    assert len(render().gzipped) < MAX_COMPRESSED_BYTES
    assert gzip.decompress(render().gzipped) == render().body


def test_page_is_built_once_and_etag_is_its_hash() -> None:
    assert render() is render()
    assert render().etag == f'"{hashlib.sha256(render().body).hexdigest()[:32]}"'


def test_policy_allows_scripts_and_styles_by_hash_only() -> None:
    found = outline()
    assert len(found.scripts) == 6
    assert directive("script-src") == hashes(found.scripts)
    assert directive("style-src") == hashes(found.styles)
    assert directive("default-src") == ["'none'"]
    assert directive("connect-src") == ["'self'"]
    assert directive("manifest-src") == ["data:"]


def test_inline_scripts_are_modules_where_the_source_has_modules() -> None:
    source = re.findall(r"<script( type=\"module\")? src", (ROOT / "index.html").read_text())
    assert source == re.findall(r"<script( type=\"module\")?>", render().body.decode())


def test_page_needs_no_second_response() -> None:
    for name, value in outline().attributes:
        assert name not in ("src", "srcset", "style"), f"{name}={value}"
        assert not name.startswith("on"), name
        if name == "href":
            assert value is not None
            assert value.startswith(("#", "data:image/svg+xml,", "data:image/png;base64,")), value


def test_bundle_is_that_of_the_scripts() -> None:
    digest = hashlib.sha256()
    for source in sorted(file.relative_to(SCRIPTS).as_posix() for file in SCRIPTS.rglob("*.js")):
        digest.update(f"{source}\0".encode() + (SCRIPTS / source).read_bytes() + b"\0")
    assert digest.hexdigest() in (ROOT / "bundle.js").read_text().split("\n", 1)[0], "run `npm run build`"


def test_scripts_have_no_imports_or_source_map() -> None:
    text = render().body.decode()
    assert not re.search(r"^(?:import|export) ", text, re.MULTILINE)
    assert "sourceMappingURL" not in text


def test_page_includes_every_source() -> None:
    text = render().body.decode()
    for source in SCRIPTS.rglob("*.js"):
        name = source.relative_to(SCRIPTS).as_posix()
        assert name == "theme.js" or f"// {name}\n" in text, f"nothing imports {name}"
    for sheet in (ROOT / "styles").glob("*.css"):
        assert sheet.read_text() in text, f"index.html does not name {sheet.name}"


def test_vendored_files_match_their_list() -> None:
    vendor = ROOT / "vendor"
    rows = re.findall(r"^\| (\S+\.js) \| \S+ \S+ \| .+ \| ([0-9a-f]{64}) \|$", (vendor / "README.md").read_text(), re.M)
    assert {name: hashlib.sha256((vendor / name).read_bytes()).hexdigest() for name, _ in rows} == dict(rows)
    assert {name for name, _ in rows} == {file.name for file in vendor.glob("*.js")}
    for name, _ in rows:
        assert (vendor / f"{name.split('.')[0]}.LICENSE").exists()
