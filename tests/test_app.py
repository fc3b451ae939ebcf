"""The page in a real browser: a photo goes in, answers come out."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED, copy_project
from PIL import Image
from test_approaches import COMMON
from test_tracking_store import SenderThread, of, runs
from tracking_stub import Stub

from dogs_vs_cats import approaches
from dogs_vs_cats.datasets import KerasModelDataset
from dogs_vs_cats.tracking import recorder, store

pytestmark = pytest.mark.slow

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with two models, which nobody has trained; MLflow has the second one too."""
    import keras

    project = copy_project(tmp_path_factory.mktemp("app") / "project")
    folder = project / "data/06_models/test"
    module = approaches.load("naive_cnn")
    for seed, name in enumerate(("naive_cnn", "transfer_end_to_end")):
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        model = module.build(module.Parameters.model_validate(COMMON), (32, 32, 3), 2)
        KerasModelDataset(filepath=str(folder / f"{name}.keras")).save(model)
        (folder / f"{name}.json").write_text(json.dumps({"classes": ["cat", "dog"]}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")  # which MLflow sets
        patch.setattr(store, "ROOT", project)
        patch.setattr(recorder, "_start_sender", SenderThread)
        logged = {"transfer_end_to_end": (folder / "transfer_end_to_end.keras").read_bytes()}
        Stub(project.parent / "training", list(logged), models=logged).run(evaluate=[], compare=False)
    return project


@pytest.fixture(scope="module")
def logged_model(project):
    """Address of the second model in MLflow."""
    (run,) = of(runs(project), "transfer_end_to_end")
    return f"runs:/{run.info.run_id}/transfer_end_to_end"


def start(project, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "dogs_vs_cats.app", "--env=test", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src"), "DO_NOT_TRACK": "1", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def address(project, logged_model):
    """The running page, with one model from disk and one from MLflow."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = start(project, f"--port={port}", "--model=naive_cnn", f"--model={logged_model}")
    deadline = time.monotonic() + 180
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
            break
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "the page didn't come up"
            time.sleep(0.3)
    yield f"http://127.0.0.1:{port}/"
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    if not (CHROMIUM.is_file() and DRIVER.is_file()):
        pytest.skip(f"no headless browser: needs {CHROMIUM} and {DRIVER}")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1100"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


def drop(browser, paths):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    field = WebDriverWait(browser, 60).until(lambda b: b.find_element(By.CSS_SELECTOR, "#photos input[type=file]"))
    field.send_keys("\n".join(map(str, paths)))
    WebDriverWait(browser, 120).until(lambda b: len(b.find_elements(By.CSS_SELECTOR, "article.photo")) == len(paths))
    return browser.find_elements(By.CSS_SELECTOR, "article.photo")


@pytest.fixture
def photo(tmp_path):
    """A real photo where there is one, else a drawn one."""
    archive = SHARED / "data/kaggle-train-original-size-400.zip"
    if archive.is_file():
        with zipfile.ZipFile(archive) as photos:
            name = next(name for name in photos.namelist() if "dog." in name)
            (tmp_path / "my dog.jpg").write_bytes(photos.read(name))
    else:
        from dogs_vs_cats.sources.sample import draw

        Image.fromarray(draw(1, 0, 200, 3, 0)).save(tmp_path / "my dog.jpg")
    return tmp_path / "my dog.jpg"


def test_a_dropped_photo_gets_an_answer_and_a_heat_map_from_each_model(
    browser, address, project, logged_model, photo, tmp_path
):
    from selenium.webdriver.common.by import By

    from dogs_vs_cats.datasets.keras_model import load_model
    from dogs_vs_cats.decoding import decode

    browser.get(address)
    (card,) = drop(browser, [photo])
    assert card.find_element(By.TAG_NAME, "h3").text == "my dog.jpg"
    answers = card.find_elements(By.CSS_SELECTOR, "figure.answer")
    assert [answer.get_attribute("data-model") for answer in answers] == ["naive_cnn", logged_model]
    pixels = decode(photo.read_bytes(), image_size=32, channels=3, max_pixels=10**8).pixels
    for answer in answers:
        name = answer.get_attribute("data-model").rpartition("/")[2]
        model = load_model(project / f"data/06_models/test/{name}.keras")
        dog = float(np.asarray(model.predict_on_batch(pixels[np.newaxis]))[0, 0])
        assert answer.find_element(By.CLASS_NAME, "verdict").text == ("dog" if dog > 0.5 else "cat")
        assert float(answer.get_attribute("data-probability")) == pytest.approx(max(dog, 1 - dog), abs=1e-5)
        assert "%" in answer.find_element(By.CSS_SELECTOR, ".first .number").text
        image = answer.find_element(By.TAG_NAME, "img")
        assert browser.execute_script("return arguments[0].naturalWidth", image) > 100
    browser.save_screenshot(str(tmp_path / "page.png"))
    assert np.asarray(Image.open(tmp_path / "page.png")).std() > 10
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in asked if m["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith((address, "data:", "blob:", "ws://127.0.0.1")) for url in urls), urls


def test_bad_files_get_a_clear_message_beside_the_good_ones(browser, address, photo, tmp_path):
    from selenium.webdriver.common.by import By

    bad = {"empty.jpg": b"", "<b>text ${1+1} & co.png": b"no picture", "half.jpg": photo.read_bytes()[:3000]}
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    browser.get(address)
    cards = drop(browser, [photo, *(tmp_path / name for name in bad)])
    assert cards[0].find_elements(By.CSS_SELECTOR, "figure.answer")
    messages = [card.find_element(By.CSS_SELECTOR, "[role=alert]").text for card in cards[1:]]
    assert messages[0] == "This file can’t be used: empty file."
    assert "not an image in a known format" in messages[1]
    assert "truncated" in messages[2]
    assert not cards[2].find_elements(By.TAG_NAME, "b")
    assert "Traceback" not in browser.page_source


def test_files_above_the_limit_are_refused(address):
    body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    body += bytes(21 * 1024**2) + b"\r\n--b--\r\n"
    request = urllib.request.Request(
        f"{address}gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=b"}
    )
    with pytest.raises((urllib.error.URLError, ConnectionError)) as refusal:
        urllib.request.urlopen(request, timeout=60)
    if isinstance(refusal.value, urllib.error.HTTPError):
        assert refusal.value.code == 413


def test_only_this_computer_can_reach_the_page(address):
    import psutil

    port = int(address.rsplit(":", 1)[1].strip("/"))
    listening = [c.laddr.ip for c in psutil.net_connections("inet") if c.status == "LISTEN" and c.laddr.port == port]
    assert listening == ["127.0.0.1"]


def test_without_a_model_the_page_says_what_to_do(tmp_path):
    process = start(copy_project(tmp_path / "project"))
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "Train first (make run)" in " ".join(output.split())
    assert "Traceback" not in output
