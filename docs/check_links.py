"""See that no link leads nowhere, of the built pages and of the Markdown files of the repository: part of `make docs`.

Links to other sites are left alone: whether they answer is not known everywhere. So are those of the pages of source
code, where Sphinx's viewcode gives every object of a module the name under which it met the first.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "docs/_build/html"


class Page(HTMLParser):
    """What a page links to and shows, and the places in it that links may name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag links to or is called."""
        values = dict(attrs)
        self.links += [link for name in ("href", "src") if (link := values.get(name))]
        self.places |= {place for name in ("id", "name") if (place := values.get(name))}


def in_pages() -> list[str]:
    """The links of the built pages that lead nowhere."""
    pages = {path: Page(path) for path in BUILT.rglob("*.html")}
    wrong = []
    for path, page in pages.items():
        for link in page.links if "_modules" not in path.parts else ():
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            if not target.is_file() or (place and target in pages and place not in pages[target].places):
                wrong.append(f"{path.relative_to(BUILT)}: {link}")
    return wrong


def in_markdown() -> list[str]:
    """The links of the repository's own files that lead nowhere."""
    wrong = []
    for path in [*ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            parts = urlsplit(link)
            if not parts.scheme and parts.path and not (path.parent / unquote(parts.path)).exists():
                wrong.append(f"{path.relative_to(ROOT)}: {link}")
    return wrong


if __name__ == "__main__":
    found = [*in_pages(), *in_markdown()]
    sys.exit("\n".join(["links that lead nowhere:", *found]) if found else 0)
