"""The page in a real browser: a photo goes in, answers come out."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile

import numpy as np
import pytest
from PIL import Image

from dogs_vs_cats.approaches import approach_of
from dogs_vs_cats.datasets import KerasModelDataset
from dogs_vs_cats.tracking import store, worker
from tests.approaches.test_approaches import COMMON
from tests.conftest import SHARED, copy_project
from tests.tracking.test_tracking_store import of, runs
from tests.tracking.tracking_stub import Stub, WorkerThread

pytestmark = pytest.mark.slow

MAX_BYTES = 20_000_000


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with two models, which nobody has trained; MLflow has the second one too.

    To the first, photos are unlike its training images, which are noise.
    """
    import keras

    from dogs_vs_cats.evaluation.drift import Sample
    from dogs_vs_cats.evaluation.out_of_distribution import fit, with_features

    project = copy_project(tmp_path_factory.mktemp("app") / "project")
    path = project / "conf/test/parameters.yml"
    path.write_text(path.read_text().replace("ingestion:\n", f"ingestion:\n  max_bytes: {MAX_BYTES}\n"))
    folder = project / "data/06_models/test"
    module = approach_of("naive_cnn", {})
    for seed, name in enumerate(("naive_cnn", "transfer_end_to_end")):
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        model = module.build(module.Parameters.model_validate(COMMON), (32, 32, 3), 2)
        KerasModelDataset(filepath=str(folder / f"{name}.keras")).save(model)
        (folder / f"{name}.json").write_text(json.dumps({"classes": ["cat", "dog"]}))
        if name == "naive_cnn":
            noise = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3), np.uint8)
            features = np.asarray(with_features(model).predict_on_batch(noise))[:, 1:]
            answers = Sample.of(np.full((100, 2), 0.5), np.zeros(100, bool))
            distribution = fit(features, np.arange(100) % 2, features)
            np.savez(folder / f"{name}.npz", **distribution.arrays(), **answers.arrays())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")  # which MLflow sets
        patch.setattr(store, "ROOT", project)
        patch.setattr(worker, "start", WorkerThread)
        logged = {"transfer_end_to_end": (folder / "transfer_end_to_end.keras").read_bytes()}
        Stub(project.parent / "training", list(logged), models=logged).run(evaluate=[], compare=False)
    return project


@pytest.fixture(scope="module")
def logged_model(project):
    """Address of the second model in MLflow."""
    (run,) = of(runs(project), "transfer_end_to_end")
    return f"runs:/{run.info.run_id}/transfer_end_to_end"


def start(project, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "dogs_vs_cats.app", "--env=test", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src"), "DO_NOT_TRACK": "1", "COLUMNS": "200", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def temporary(tmp_path_factory):
    """The folder for the page's temporary files, if it had any."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def address(project, logged_model, temporary):
    """The running page, with one model from disk and one from MLflow."""
    process = start(project, "--port=0", "--model=naive_cnn", f"--model={logged_model}", TMPDIR=str(temporary))
    printed = []
    for line in process.stdout:
        printed.append(line)
        if found := re.match(r"Open (http://127\.0\.0\.1:\d+/) ", line):
            break
    else:
        pytest.fail("".join(printed))
    assert "Decisions about labels go to conf/test/corrections.csv" in "".join(printed)
    yield found[1]
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "", "after all tests nothing but the address has been printed"
    assert process.returncode == 0


def choose(browser, paths):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.find_element(By.ID, "photos").send_keys("\n".join(map(str, paths)))
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
        from dogs_vs_cats.images.generated.animals import DOG, draw
        from dogs_vs_cats.images.generated.drawing import Dice

        Image.fromarray(draw(DOG, Dice(0, 1, 0), 200, 3)).save(tmp_path / "my dog.jpg")
    return tmp_path / "my dog.jpg"


def test_a_dropped_photo_gets_an_answer_and_a_heat_map_from_each_model(
    browser, address, project, logged_model, photo, tmp_path
):
    from selenium.webdriver.common.by import By

    from dogs_vs_cats.datasets.keras_model import load_model
    from dogs_vs_cats.images.decoding import decode

    browser.get(address)
    (card,) = choose(browser, [photo])
    assert card.find_element(By.TAG_NAME, "h2").text == "my dog.jpg"
    answers = card.find_elements(By.CSS_SELECTOR, "figure.answer")
    assert [answer.get_attribute("data-model") for answer in answers] == ["naive_cnn", logged_model]
    pixels = decode(photo.read_bytes(), image_size=32, channels=3, max_pixels=10**8).pixels
    for answer in answers:
        name = answer.get_attribute("data-model").rpartition("/")[2]
        model = load_model(project / f"data/06_models/test/{name}.keras")
        dog = float(np.asarray(model.predict_on_batch(pixels[np.newaxis]))[0, 0])
        assert answer.find_element(By.CLASS_NAME, "verdict").text == ("dog" if dog > 0.5 else "cat")
        assert float(answer.get_attribute("data-probability")) == pytest.approx(max(dog, 1 - dog), abs=1e-5)
        assert "%" in answer.find_element(By.CLASS_NAME, "number").text
        image = answer.find_element(By.TAG_NAME, "img")
        assert browser.execute_script("return arguments[0].naturalWidth", image) > 100
    assert [answer.find_element(By.CLASS_NAME, "quiet").text for answer in answers] == [
        "naive_cnn, experiment test",
        f"{logged_model}, experiment stub",
    ]
    assert [flag.text for flag in answers[0].find_elements(By.CLASS_NAME, "flag")] == [
        "Unlike all training images: perhaps neither"
    ]
    assert not answers[1].find_elements(By.CLASS_NAME, "flag")
    browser.save_screenshot(str(tmp_path / "page.png"))
    assert np.asarray(Image.open(tmp_path / "page.png")).std() > 10
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in asked if m["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith((address, "data:")) for url in urls), urls


def test_bad_files_get_a_clear_message_beside_the_good_ones(browser, address, photo, tmp_path):
    from selenium.webdriver.common.by import By

    bad = {"empty.jpg": b"", "<b>text ${1+1} & co.png": b"no picture", "half.jpg": photo.read_bytes()[:3000]}
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    browser.get(address)
    cards = choose(browser, [photo, *(tmp_path / name for name in bad)])
    assert cards[0].find_elements(By.CSS_SELECTOR, "figure.answer")
    messages = [card.find_element(By.CSS_SELECTOR, "[role=alert]").text for card in cards[1:]]
    assert messages[0] == "This file can’t be used: empty file."
    assert "not an image in a known format" in messages[1]
    assert "truncated" in messages[2]
    assert not cards[2].find_elements(By.TAG_NAME, "b")
    assert "Traceback" not in browser.page_source


def ask(address, data, name="a.jpg"):
    """Status and text of the answer to what a program sends."""
    query = urllib.parse.urlencode({"name": name})
    try:
        with urllib.request.urlopen(f"{address}answer?{query}", data, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 422, "empty file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), 422, "be used"),
        (bytes(MAX_BYTES + 1), 413, "it is larger than 20,000,000 bytes, ingestion.max_bytes"),
    ],
)
def test_what_is_no_photo_is_refused_in_one_line(address, content, status, said):
    answered, text = ask(address, content, "<i>a")
    assert answered == status
    assert said in re.search(r'role="alert">(.+)</p>\n', text)[1]
    assert "&lt;i&gt;a" in text


def test_a_photo_as_large_as_allowed_is_answered(address, photo):
    status, text = ask(address, photo.read_bytes().ljust(MAX_BYTES, b"\0"))
    assert (status, text.count("figure class")) == (200, 2)


def test_nothing_of_a_photo_reaches_the_disk(address, photo, temporary, project):
    def files():
        return {path for path in project.rglob("*") if "__pycache__" not in path.parts}

    before = files()
    assert ask(address, photo.read_bytes().ljust(5_000_000, b"\0"))[0] == 200
    assert list(temporary.iterdir()) == []
    assert files() == before


def test_who_hangs_up_halfway_disturbs_nobody(address, photo):
    port = int(address.rsplit(":", 1)[1].strip("/"))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /answer?name=a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf")
    assert ask(address, photo.read_bytes())[0] == 200  # the fixture sees that nothing was printed


def test_photos_can_be_dropped_and_a_folder_gets_a_message(browser, address, photo):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(address)
    browser.execute_script(
        """
        const dropped = new DataTransfer();
        const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
        dropped.items.add(new File([bytes], "dropped.jpg"));
        document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: dropped, bubbles: true, cancelable: true}));
        """,
        base64.b64encode(photo.read_bytes()).decode(),
    )
    WebDriverWait(browser, 60).until(lambda b: b.find_element(By.ID, "status").text == "1 of 1 done")
    assert len(browser.find_elements(By.CSS_SELECTOR, "figure.answer")) == 2
    browser.execute_script("fetch = () => Promise.reject(new TypeError('Failed to fetch'))")
    (card,) = choose(browser, [photo])
    assert "is it a folder?" in card.find_element(By.CSS_SELECTOR, "[role=alert]").text


def test_the_page_works_on_a_phone_by_keyboard_and_in_the_dark(browser, address, photo):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    def brightness():
        colour = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    browser.get(address)
    choose(browser, [photo])
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360
    browser.find_element(By.TAG_NAME, "body").send_keys(3 * Keys.TAB)  # after the links to the tabs
    assert browser.switch_to.active_element.get_attribute("id") == "photos"
    light = brightness()
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": dark})
    assert brightness() < light / 4


def test_the_other_tab_says_how_to_find_label_issues(address):
    with urllib.request.urlopen(address, timeout=60) as page:
        assert 'href="review"' in page.read().decode()
    with urllib.request.urlopen(f"{address}review", timeout=60) as page:
        text = page.read().decode()
    command = "kedro run --env=test --pipelines=data_quality"
    assert f"There is no label_issues.csv to review yet. Create it with: {command}" in text


def test_only_this_computer_can_reach_the_page(address):
    import psutil

    port = int(address.rsplit(":", 1)[1].strip("/"))
    listening = [c.laddr.ip for c in psutil.net_connections("inet") if c.status == "LISTEN" and c.laddr.port == port]
    assert listening == ["127.0.0.1"]


def test_without_a_model_the_page_says_what_to_do(tmp_path):
    process = start(copy_project(tmp_path / "project"))
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "Train first (kedro run, with the same --env and --params=experiment=NAME), or name a model" in " ".join(
        output.split()
    )
    assert "Traceback" not in output
