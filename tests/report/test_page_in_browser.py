"""The report in a real browser, where there is one."""

import functools
import html
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import small_records

from fer_gym.benchmark.report import page as report

WIDTHS = (390, 1280)
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",  # a phone lays them over the page
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)
# Opens the report in frames as wide as a phone and a laptop, and writes down what a reader there meets.
HARNESS = """<!DOCTYPE html><title>measuring</title><body><script>
addEventListener("load", () => {
  const measured = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument;
    return {
      width: page.documentElement.clientWidth,
      needs: page.documentElement.scrollWidth,
      broken: [...page.images].filter(image => !image.naturalWidth).length,
      images: page.images.length,
      scrolling: [...page.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth).length,
    };
  });
  document.body.replaceChildren(JSON.stringify(measured));
});
</script>%s"""


class Handler(SimpleHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def browser() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"needs a browser: one of {', '.join(NAMES)}")
    return found


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server of the folder, which notes what it is asked for."""
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_page_fits_loads_nothing_and_complains_of_nothing(browser: str, address: str, tmp_path: Path):
    small_records.write(tmp_path, *small_records.walks(), *small_records.runs())
    report.write(report.make(tmp_path), tmp_path)
    frames = (
        f'<iframe src="report.html" style="width: {width}px; height: 800px; border: 0"></iframe>' for width in WIDTHS
    )
    (tmp_path / "harness.html").write_text(HARNESS % "".join(frames))
    command = [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", f"{address}/harness.html"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    phone, laptop = json.loads(html.unescape(re.search(r"\[\{.*\}\]", result.stdout)[0]))
    for measured in (phone, laptop):
        assert measured["needs"] <= measured["width"]
        assert measured["images"] > 10
        assert measured["broken"] == 0
    assert phone["width"] == WIDTHS[0]
    assert phone["scrolling"] > 0  # wide tables scroll in their own box
    # The page forbids itself to load anything, and a browser that was made to try says so on its console.
    assert "CONSOLE" not in result.stderr
    assert set(Handler.asked) <= {"/harness.html", "/report.html", "/favicon.ico"}
