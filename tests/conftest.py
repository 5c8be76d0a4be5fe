"""Shared fixtures: an isolated cache, and the real FER2013 where it is at hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def isolated_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for the whole test run, never the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_GYM_CACHE", str(folder))
        patch.delenv("FER_GYM_DATA", raising=False)
        yield folder


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, empty."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("FER_GYM_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def fer2013_zip() -> Path:
    """The real pictures, beside the repository; the test is skipped where they are not."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data" / "fer2013.zip"
    if not path.exists():
        pytest.skip("needs FER2013: shared/data/fer2013.zip beside the repository")
    return path
