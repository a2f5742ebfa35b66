"""The documentation as a site: ``python -m tools.site [FOLDER]``. A warning of the build is an error.

The documents link to each other by their paths in the repository, so that they work there too. Here they are copied to
the site's source: docs/ becomes the root, README.md the front page, and a link to a file that is no page leads to the
repository, whose address is REPOSITORY_URL.
"""

import argparse
import os
import posixpath
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REPOSITORY_URL = "https://github.com/OWNER/gguf-chat-function"
TITLE = "Serverless chat for your own GGUF model"

OUTER_PAGES: Mapping[str, str] = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "bench/README.md": "measurements.md",
    "examples/README.md": "examples.md",
}
"""Pages outside docs/, by their path in the repository, with their path on the site."""
SECTIONS: Mapping[str, Sequence[str]] = {
    "Tutorial": ["tutorial"],
    "How-to guides": [
        "choosing-a-model",
        "deploy",
        "examples",
        "clients",
        "chat-page",
        "stores",
        "cold-start",
        "snapshots",
        "capacity",
        "observability",
        "troubleshooting",
    ],
    "Reference": ["settings", "command-line", "api", "glossary", "changelog"],
    "Explanation": ["architecture", "decisions/README", "measurements", "reliability", "security", "contributing"],
}
"""Pages of each section of the sidebar."""

CONFIGURATION = {
    "project": TITLE,
    "html_title": TITLE,
    "extensions": ["myst_parser"],
    "myst_heading_anchors": 4,
    "html_theme": "furo",
    "html_extra_path": ["extra"],
    "html_copy_source": False,
    "html_show_sphinx": False,
    "exclude_patterns": ["extra"],
}
LINK = re.compile(r"(?P<before>\]\(|\b(?:src|srcset)=\")(?P<path>[\w./-]+)(?P<after>[)#\"])")


def main(argv: Sequence[str] | None = None) -> int:
    """Build the site; return the exit status."""
    parser = argparse.ArgumentParser(description="build the documentation as a site")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "site")
    return build(parser.parse_args(argv).folder, os.environ.get("REPOSITORY_URL", REPOSITORY_URL))


def build(folder: Path, repository: str) -> int:
    """Build the site in ``folder``; return 0, or 1 if there was a warning."""
    with tempfile.TemporaryDirectory() as source:
        write_source(Path(source), repository)
        return render(Path(source), folder, repository)


def render(source: Path, folder: Path, repository: str) -> int:
    """Render the pages in ``source`` to ``folder``; return 0, or 1 if there was a warning."""
    from sphinx.application import Sphinx  # takes a second

    settings = {**CONFIGURATION, "html_theme_options": {"source_repository": f"{repository}/"}}
    with tempfile.TemporaryDirectory() as doctrees:
        app = Sphinx(source, None, folder, doctrees, "html", settings, status=None, warningiserror=True)
        app.build()
        return app.statuscode


def write_source(folder: Path, repository: str) -> None:
    """Write the documents as the site needs them to ``folder``."""
    paths = [*OUTER_PAGES, *(str(path.relative_to(ROOT)) for path in DOCS.rglob("*.md"))]
    for path in paths:
        target = folder / _site_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(with_site_links((ROOT / path).read_text(), path, repository))
    with (folder / "index.md").open("a") as front:
        front.write("".join(_toctree(title, pages) for title, pages in SECTIONS.items()))
    decisions = [path.stem for path in sorted((DOCS / "decisions").glob("0*.md"))]
    with (folder / "decisions" / "README.md").open("a") as page:
        page.write(_toctree("", decisions))
    shutil.copytree(DOCS / "pictures", folder / "pictures", dirs_exist_ok=True)
    shutil.copytree(DOCS / "pictures", folder / "extra" / "pictures")  # for the front page's HTML


def with_site_links(text: str, path: str, repository: str) -> str:
    """Return the ``text`` of the document ``path`` of the repository, with links as the site needs them."""
    here = posixpath.dirname(_site_path(path)) or "."

    def replace(match: re.Match[str]) -> str:
        linked = posixpath.normpath(posixpath.join(posixpath.dirname(path), match["path"]))
        if linked in OUTER_PAGES or (linked.startswith("docs/") and (ROOT / linked).is_file()):
            url = posixpath.relpath(_site_path(linked), here)
        else:
            url = f"{repository}/{'tree' if (ROOT / linked).is_dir() else 'blob'}/main/{linked}"
        return match["before"] + url + match["after"]

    return LINK.sub(replace, text)


def _site_path(path: str) -> str:
    """Return the place on the site of the repository's document or picture ``path``."""
    return OUTER_PAGES.get(path) or path.removeprefix("docs/")


def _toctree(title: str, pages: Sequence[str]) -> str:
    return "\n```{toctree}\n:hidden:\n" + f":caption: {title}\n" * bool(title) + "\n" + "\n".join(pages) + "\n```\n"


if __name__ == "__main__":
    sys.exit(main())
