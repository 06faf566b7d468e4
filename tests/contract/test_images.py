"""Images: found, built, looked into, pruned."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from docker.errors import NotFound

from prodigy.errors import ImageUnavailable
from prodigy.owner import Owner
from prodigy.sandbox.docker.engine import Engine
from prodigy.sandbox.docker.leftovers import HOME_LABEL
from prodigy.sandbox.images import LABEL, Images

pytestmark = pytest.mark.docker


@contextmanager
def imported(engine: Engine, name: str, files: dict[str, bytes], **labels: str) -> Iterator[str]:
    """An image of a few files, made without a build."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    tag = f"prodigy-test-{name}:{os.getpid()}"
    changes = [f"LABEL {key}={value}" for key, value in labels.items()]
    engine.api.import_image_from_data(
        buffer.getvalue(), repository=tag.split(":", maxsplit=1)[0], tag=tag.split(":")[1], changes=changes
    )
    try:
        yield tag
    finally:
        if engine.api.images(tag):
            engine.api.remove_image(tag, force=True)


@contextmanager
def built(engine: Engine, name: str, dockerfile: str) -> Iterator[str]:
    tag = f"prodigy-test-{name}:{os.getpid()}"
    engine.api.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, rm=True, quiet=True).close()
    try:
        yield tag
    finally:
        engine.api.remove_image(tag, force=True)


def containers(engine: Engine, image: str) -> list:
    return engine.api.containers(all=True, filters={"ancestor": image})


def test_the_built_in_image_is_found_again(images: Images) -> None:
    info = images.resolve(None)
    assert info.reference == images.builtin
    assert info.id == images.resolve(None).id == images.resolve(info.id).id
    assert info.size > 0
    facts = images.probe(info.id)
    assert (facts.id, facts.programs, facts.volumes) == (info.id, ("bash",), ())
    assert facts.git_version[0].isdigit()


def test_what_was_found_out_is_kept(engine: Engine, images: Images, image: str, tmp_path: Path) -> None:
    facts = Images(engine, tmp_path).probe(image)
    (tmp_path / "images.json").write_text(
        (tmp_path / "images.json").read_text().replace(facts.git_version, "9.9")
    )
    assert Images(engine, tmp_path).probe(image).git_version == "9.9"
    (tmp_path / "images.json").write_text("damaged")
    assert Images(engine, tmp_path).probe(image) == facts


def test_the_container_of_a_killed_probe_goes_with_the_next(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    dead, live = f"1:0:{Owner.current().machine}", str(Owner.current())
    made = {
        owner: engine.api.create_container(
            image,
            "true",
            labels={"prodigy.probe": "image", HOME_LABEL: str(tmp_path), "prodigy.owner": owner},
        )["Id"]
        for owner in (dead, live)
    }
    try:
        Images(engine, tmp_path / "images").probe(image)
        left = engine.api.containers(all=True, filters={"label": f"{HOME_LABEL}={tmp_path}"})
        assert [found["Id"] for found in left] == [made[live]]
    finally:
        for container in made.values():
            with suppress(NotFound):
                engine.api.remove_container(container)


def test_an_image_without_a_shell(engine: Engine, images: Images) -> None:
    with imported(engine, "empty", {"file": b""}) as tag:
        with pytest.raises(ImageUnavailable, match="does not hold sh"):
            images.probe(tag)
        assert containers(engine, tag) == []


def test_an_image_without_git(engine: Engine, images: Images, image: str) -> None:
    with (
        built(engine, "gitless", f"FROM {image}\nUSER root\nRUN rm /usr/bin/git\n") as tag,
        pytest.raises(ImageUnavailable, match="does not hold git"),
    ):
        images.probe(tag)


def test_an_image_with_an_old_git(engine: Engine, images: Images, image: str) -> None:
    script = "RUN printf '#!/bin/sh\\necho git version 2.29.2\\n' >/usr/bin/git"
    with (
        built(engine, "old", f"FROM {image}\nUSER root\n{script}\n") as tag,
        pytest.raises(ImageUnavailable, match=r"git 2\.29\.2; 2\.30 or newer"),
    ):
        images.probe(tag)


def test_an_image_that_is_nowhere(images: Images) -> None:
    with pytest.raises(ImageUnavailable, match="cannot be pulled"):
        images.resolve("localhost:1/prodigy/nowhere:1")
    with pytest.raises(ImageUnavailable, match="not on this machine"):
        images.probe("prodigy-nowhere:1")


@pytest.mark.parametrize("reference", ["UPPER", "a b", "-x", "", "a@sha256:1"])
def test_a_reference_that_is_none(images: Images, reference: str) -> None:
    if reference == "":
        assert images.resolve(reference) == images.resolve(None)
        return
    with pytest.raises(ImageUnavailable):
        images.resolve(reference)


def test_prune_takes_what_prodigy_built_and_nobody_uses(engine: Engine, images: Images) -> None:
    with (
        imported(engine, "foreign", {"a": b"1"}) as foreign,
        imported(engine, "free", {"b": b"2"}, **{LABEL: "test"}) as free,
        imported(engine, "used", {"c": b"3"}, **{LABEL: "test"}) as used,
    ):
        container = engine.api.create_container(used, "sh", labels={"prodigy.probe": "test"})["Id"]
        try:
            listed = {info.reference: info for info in images.list_images()}
            assert foreign not in listed
            assert listed[free].used_by == ()
            assert len(listed[used].used_by) == 1
            young = images.prune(older_than=3600, dry_run=True)
            assert free not in {info.reference for info in young}
            doomed = {info.reference for info in images.prune(older_than=-3600, dry_run=True)}
            assert free in doomed
            assert used not in doomed
            assert engine.api.images(free)
        finally:
            engine.api.remove_container(container)


def test_a_failed_build_shows_its_last_lines(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str
) -> None:
    from prodigy.sandbox import builtin
    from prodigy.sandbox import images as module

    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "Dockerfile").write_text(f"FROM {image}\nRUN echo almost; exit 3\n")
    monkeypatch.setattr(builtin, "sources", lambda: tmp_path)
    lines: list[str] = []
    with pytest.raises(module.BuildFailed, match="returned a non-zero code: 3") as failed:
        Images(engine, tmp_path).build(on_line=lines.append)
    assert "almost" in failed.value.lines
    assert lines == failed.value.lines
