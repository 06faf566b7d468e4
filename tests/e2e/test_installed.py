"""The package as pip installs it, away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory into which pip has installed the checkout."""
    place = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(place)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(CHECKOUT)], check=True, cwd=place)
    return place


def run_python(site: Path, code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=site, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_program_starts(site: Path) -> None:
    where, version = run_python(
        site, "import prodigy; print(prodigy.__file__); print(prodigy.__version__)"
    ).split("\n")
    assert Path(where).is_relative_to(site)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    said = subprocess.run(
        [site / "bin" / "prodigy", "--version"], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout == f"prodigy {version}\n"


def test_the_image_sources_come_with_it(site: Path) -> None:
    sources = Path(run_python(site, "from prodigy.sandbox.builtin import sources; print(sources())"))

    assert sources.is_relative_to(site)
    assert (sources / "base" / "Dockerfile").read_bytes() == (
        CHECKOUT / "images" / "base" / "Dockerfile"
    ).read_bytes()
    assert os.access(sources / "debian-slim", os.X_OK)


def test_the_shell_programs_of_the_sandbox_come_with_it(site: Path) -> None:
    inside = {path.name for path in (site / "prodigy" / "sandbox" / "scripts").glob("*.sh")}
    assert inside == {path.name for path in (CHECKOUT / "prodigy" / "sandbox" / "scripts").glob("*.sh")}
