"""ImageNet weights are fetched or refused before images are read, in the same hook that builds everything on trial."""

import functools
import http.server
import shutil
import socket
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from dogs_vs_cats.errors import BackboneError, ParameterError
from dogs_vs_cats.models.backbones import applications
from dogs_vs_cats.training.dry_build import refuse_unbuildable
from tests.models.test_backbones import MOBILENET_V2, backbone, build
from tests.parameters.test_parameters import parameters


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Keras's cache, empty. Keras reads KERAS_HOME when it is imported."""
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    return tmp_path / "models"


@pytest.fixture
def serve(monkeypatch):
    """Lets Keras fetch the weights of MobileNetV2 from a folder, or from a socket that never answers."""
    import keras

    module = sys.modules[keras.applications.MobileNetV2.__module__]
    servers = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    def start(folder: Path) -> None:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        address(server.server_port)

    def address(port: int) -> None:
        monkeypatch.setattr(module, "BASE_WEIGHT_PATH", f"http://127.0.0.1:{port}/")

    start.address = address
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def run(**changes):
    """The check that a run makes before its first node."""
    values = parameters()
    values["ingestion"]["image_size"] = 96
    values["backbone"] |= backbone(**changes).model_dump()
    refuse_unbuildable({"images", "backbone"}, values)


def test_weights_are_fetched_before_the_run_and_once(shared, cache, serve):
    serve((shared / MOBILENET_V2).parent)
    run()
    fetched = cache / Path(MOBILENET_V2).name
    assert fetched.read_bytes() == (shared / MOBILENET_V2).read_bytes()
    serve.address(1)  # nobody listens there
    photos = np.random.default_rng(1).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    expected = build(backbone(weights=str(shared / MOBILENET_V2))).predict(photos, verbose=0)
    assert np.array_equal(build(backbone()).predict(photos, verbose=0), expected)


def test_weights_that_the_server_does_not_have_are_refused(tmp_path, cache, serve):
    serve(tmp_path)
    with pytest.raises(
        BackboneError, match=r"MobileNetV2 can't be fetched: .*404.*copy it to .*backbone\.weights=FILE"
    ):
        run()
    assert not list(cache.iterdir())


def test_a_server_that_never_answers_is_given_up(cache, serve, monkeypatch):
    monkeypatch.setattr(applications, "_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        serve.address(silent.getsockname()[1])
        with pytest.raises(BackboneError, match=r"can't be fetched: .*timed out"):
            run()
    assert socket.getdefaulttimeout() is None


def test_a_damaged_file_in_the_cache_is_named(shared, cache):
    cache.mkdir()
    cut = (shared / MOBILENET_V2).read_bytes()[:100_000]
    (cache / Path(MOBILENET_V2).name).write_bytes(cut)
    with pytest.raises(BackboneError, match=r"are damaged: .*Delete that file, and run again"):
        run()


def test_a_weights_file_that_does_not_fit_is_refused_before_the_run(shared, tmp_path):
    shutil.copy(shared / MOBILENET_V2, tmp_path / "mine.h5")
    run(weights=str(tmp_path / "mine.h5"))
    with pytest.raises(BackboneError, match=r"mine\.h5 doesn't fit MobileNetV2"):
        run(weights=str(tmp_path / "mine.h5"), kwargs={"alpha": 1.0})


def test_images_that_are_too_small_are_refused_without_the_network(serve):
    serve.address(1)
    values = parameters()
    values["ingestion"]["image_size"] = 16
    values["backbone"] |= {"name": "VGG16", "weights": "imagenet"}
    with pytest.raises(ParameterError, match=r"too small for VGG16\. Set ingestion\.image_size to at least 32"):
        refuse_unbuildable({"backbone"}, values)
