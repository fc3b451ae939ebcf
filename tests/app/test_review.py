"""The tab that reviews labels: over HTTP, in a real browser, and when its server is killed."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from copy import deepcopy
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import uvicorn
from kedro.io import DataCatalog
from PIL import Image

from dogs_vs_cats.app import review_page
from dogs_vs_cats.app.review import Decision
from dogs_vs_cats.app.serving import build
from dogs_vs_cats.errors import CorrectionsError, MissingInputError, ParameterError
from dogs_vs_cats.images.correction_files import read_corrections
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.pipelines.data_ingestion.nodes import read_images, split_images
from dogs_vs_cats.session.config_loader import ConfigLoader
from dogs_vs_cats.settings import CONFIG_LOADER_ARGS
from tests.conftest import PROJECT

CHEESE = 'Käse, "alt"'
HEADER = "path,action,label,note\n"
ISSUES = [
    ("cat/0.png", "relabel", "dog", "labelled cat, looks like dog", "label", 0.0123),
    ("cat/1.png", "leave_out", None, "dark, 12.3", "dark", None),
    ("dog/0.png", "relabel", CHEESE, "a copy is labelled otherwise", "contradiction", None),
    (f"{CHEESE}/0 & 1.png", "relabel", "cat", f"labelled {CHEESE}, looks like cat", "label", 0.2),
]

SERVE = """
import sys
from tests.app.test_review import reviewed
from dogs_vs_cats.app import review_page, serving
from pathlib import Path
listening = serving.listen("127.0.0.1", [0])
print("Open", serving.address(listening), flush=True)
serving.serve(serving.build(review_page.routes(reviewed(Path(sys.argv[1])))), listening, serving.MAX_CONNECTIONS)
"""


@cache
def configuration():
    """The entries of the catalog that the review reads, and the parameters of ingestion."""
    loader = ConfigLoader(str(PROJECT / "conf"), env="test", **CONFIG_LOADER_ARGS)
    entries = {name: loader["catalog"][name] for name in ("label_issues", "manifest", "ingestion_record")}
    return entries, IngestionParameters.model_validate(loader["parameters"]["ingestion"])


def catalog(folder):
    """These entries in a folder of their own."""
    entries = deepcopy(configuration()[0])
    for entry in entries.values():
        entry["filepath"] = str(folder / entry["filepath"])
    return DataCatalog.from_config(entries)


def reviewed(folder):
    return review_page.Reviewed(catalog(folder), "test", configuration()[1], str(folder / "corrections.csv"))


@pytest.fixture
def folder(tmp_path):
    """An experiment with photos in a zip file, and issues about some of them."""
    dice = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as photos:
        for name in [*(f"{label}/{n}.png" for label in ("cat", "dog", CHEESE) for n in range(5)), ISSUES[3][0]]:
            file = BytesIO()
            Image.fromarray(dice.integers(0, 256, (20, 40, 3), np.uint8)).save(file, "PNG")
            photos.writestr(name, file.getvalue())
    sizes = {"train_size": 0.6, "validation_size": 0.2, "test_size": 0.2}
    ingestion = configuration()[1].model_copy(update={"source": str(tmp_path / "photos.zip"), **sizes})
    _, usable, *others = read_images(ingestion, 0, tmp_path / "store")
    entries = catalog(tmp_path)
    manifest, record = split_images(usable, *others, ingestion, 0)
    entries.save("manifest", manifest)
    entries.save("ingestion_record", record)
    columns = ["path", "action", "label", "note", "kind", "confidence"]
    entries.save("label_issues", pd.DataFrame(ISSUES, columns=columns))
    return tmp_path


@pytest.fixture
def address(folder):
    """The tab, served in this process."""
    server = uvicorn.Server(uvicorn.Config(build(review_page.routes(reviewed(folder))), log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/review"
        server.should_exit = True
        thread.join()


def ask(url, content=None, kind="application/json"):
    """Status, type and content of an answer."""
    body = content if content is None or isinstance(content, bytes) else json.dumps(content).encode()
    request = urllib.request.Request(url, body, {"Content-Type": kind} if body else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get_content_type(), error.read()


def rows(folder):
    with (folder / "corrections.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_each_decision_is_a_row_that_ingestion_applies(folder, address):
    decisions = [("relabel", "dog"), ("leave_out", ""), ("relabel", "dog"), ("relabel", "dog")]
    for (path, *_), (action, label) in zip(ISSUES, decisions, strict=True):
        assert ask(f"{address}/decision", {"path": path, "action": action, "label": label})[0] == 200
    assert rows(folder) == [
        ["path", "action", "label", "note"],
        ["cat/0.png", "relabel", "dog", "labelled cat, looks like dog"],
        ["cat/1.png", "leave_out", "", "dark, 12.3"],
        ["dog/0.png", "relabel", "dog", "reviewed: the label is right"],
        [f"{CHEESE}/0 & 1.png", "relabel", "dog", "reviewed"],
    ]
    parameters = reviewed(folder).open().parameters
    _, usable, *others = read_images(parameters, 0, folder / "store")
    manifest, record = split_images(usable, *others, parameters, 0, read_corrections(parameters))
    assert manifest.set_index("path")["class_name"][[ISSUES[0][0], ISSUES[3][0]]].tolist() == ["dog", "dog"]
    assert sum(record["corrections"]["left_out"].values()) == 1


def test_photos_of_the_issues_are_served_and_no_other_file(folder, address):
    status, kind, content = ask(f"{address}/photo?{urllib.parse.urlencode({'path': ISSUES[3][0]})}")
    assert (status, kind) == (200, "image/jpeg")
    assert Image.open(BytesIO(content)).size == (1000, 500)
    for path in ("cat/2.png", "../photos.zip", str(folder / "photos.zip"), ""):
        for page in ("photo", "issue"):
            status, _, text = ask(f"{address}/{page}?{urllib.parse.urlencode({'path': path})}")
            assert (status, text.decode()) == (
                400,
                f"No row of label_issues.csv is about {path!r}. Load the page again.",
            )


@pytest.mark.parametrize("name", ["photos", "labels.csv"])
def test_photos_come_from_a_folder_or_a_table_as_from_an_archive(folder, name):
    from_archive = reviewed(folder).open().photo(ISSUES[3][0])
    with zipfile.ZipFile(folder / "photos.zip") as photos:
        photos.extractall(folder / "photos")
        table = pd.DataFrame({"path": photos.namelist()})
    table["label"] = table["path"].str.partition("/")[0]
    table.to_csv(folder / "labels.csv", index=False)
    entries = catalog(folder)
    record = entries.load("ingestion_record")
    record["parameters"] |= {"source": str(folder / name), "images": str(folder / "photos")}
    if name == "photos":
        del record["parameters"]["images"]
    entries.save("ingestion_record", record)
    review = reviewed(folder).open()
    assert review.photo(ISSUES[3][0]) == from_archive
    assert [issue.given for issue in review.issues.values()] == ["cat", "cat", "dog", CHEESE]


RELABEL = {"path": "cat/0.png", "action": "relabel", "label": "dog"}


BAD = [
    ({**RELABEL, "path": "cat/9.png"}, "No row of label_issues.csv is about 'cat/9.png'"),
    ({**RELABEL, "label": "cow"}, "There is no class 'cow'. The classes are"),
    ({**RELABEL, "action": "rename"}, "body.action: Input should be 'relabel', 'leave_out' or 'undo'"),
    ({**RELABEL, "file": "a.csv"}, "body.file: Extra inputs are not permitted"),
    ({"action": "undo"}, "There is nothing to undo"),
    (b"{", "body.1: JSON decode error"),
]


def test_bad_requests_are_refused_in_one_line_and_write_nothing(folder, address):
    # The others are what a page from elsewhere can make a browser send.
    simple = [(b"action=leave_out&path=cat/0.png", "application/x-www-form-urlencoded")]
    simple.append((json.dumps(RELABEL).encode(), "text/plain"))
    requests = [
        *((content, "application/json", said) for content, said in BAD),
        *((*it, "body: Input should be") for it in simple),
    ]
    for content, kind, said in requests:
        status, answered, text = ask(f"{address}/decision", content, kind)
        assert (status, answered, len(text.splitlines())) == (400, "text/plain", 1), text
        assert text.decode().startswith(said)
    assert not (folder / "corrections.csv").exists()


def test_a_page_under_another_name_neither_reads_nor_decides(folder, address):
    port, decision = urllib.parse.urlsplit(address).port, json.dumps(RELABEL).encode()
    for name, status in {"127.0.0.1": 200, "localhost": 200, "[::1]": 200, "evil.example": 400}.items():
        for path, content in (("", None), ("/decision", decision)):
            headers = {"Host": f"{name}:{port}", "Content-Type": "application/json"}
            request = urllib.request.Request(f"{address}{path}", content, headers)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    found = answer.status
            except urllib.error.HTTPError as error:
                found = error.code
            assert found == status, (name, path)
        assert (folder / "corrections.csv").exists() == (status == 200)
        (folder / "corrections.csv").unlink(missing_ok=True)


def test_other_rows_and_columns_of_the_file_stay_and_undo_brings_back_a_row(folder):
    hashes = catalog(folder).load("manifest").set_index("path")["sha256"]
    mine = f"path;action;label;who\ndog/3.png;relabel;cat;me\n{hashes['dog/0.png']};leave_out;;me\n"
    (folder / "corrections.csv").write_text(mine, encoding="utf-8")
    review = reviewed(folder).open()
    assert list(review.decided()) == ["dog/0.png"]
    review.decide(Decision(**RELABEL))
    review.decide(Decision(path="dog/0.png", action="relabel", label=CHEESE))
    after = rows(folder)
    assert after == [
        ["path", "action", "label", "who", "note"],
        ["dog/3.png", "relabel", "cat", "me", ""],
        [hashes["dog/0.png"], "relabel", CHEESE, "me", "a copy is labelled otherwise"],
        ["cat/0.png", "relabel", "dog", "", "labelled cat, looks like dog"],
    ]
    assert review.decide(Decision(action="undo")) == ("dog/0.png: undone", "dog/0.png")
    assert rows(folder)[2] == [hashes["dog/0.png"], "leave_out", "", "me", ""]
    review.decide(Decision(action="undo"))
    assert [row[0] for row in rows(folder)] == ["path", "dog/3.png", hashes["dog/0.png"]]
    with pytest.raises(ParameterError, match="nothing to undo"):
        review.decide(Decision(action="undo"))


def test_photos_whose_names_differ_in_blanks_alone_are_named_by_their_hash(folder):
    with zipfile.ZipFile(folder / "photos.zip", "a") as photos:
        photos.writestr("cat/0.png ", photos.read("cat/2.png"))
    hashes = catalog(folder).load("manifest").set_index("path")["sha256"]
    review = reviewed(folder).open()
    review.decide(Decision(path="cat/0.png", action="leave_out"))
    assert [row[0] for row in rows(folder)] == ["path", hashes["cat/0.png"]]
    assert list(review.decided()) == ["cat/0.png"]
    assert not reviewed(folder).open().warnings


def test_the_review_goes_on_with_the_next_photo_without_a_decision(folder):
    review, paths = reviewed(folder).open(), [path for path, *_ in ISSUES]
    assert review.next_open() == paths[0]
    assert review.decide(Decision(path=paths[1], action="leave_out"))[1] == paths[2]
    assert review.decide(Decision(path=paths[0], action="leave_out"))[1] == paths[2]
    assert review.decide(Decision(path=paths[3], action="leave_out"))[1] == paths[2]
    assert reviewed(folder).open().next_open() == paths[2]
    assert review.decide(Decision(path=paths[2], action="leave_out"))[1] == paths[3]


def test_what_prevents_a_review_or_a_run_is_said_in_one_line(folder, address):
    (folder / "corrections.csv").write_text(f"{HEADER}cat/99.png,relabel,dog,\n")
    page = ask(address)[2].decode()
    assert "A run would refuse the corrections." in page
    assert "cat/99.png" in page
    assert 'id="issue"' in page
    (folder / "corrections.csv").write_text("photo,label\n")
    with pytest.raises(CorrectionsError, match="lacks the columns path, action"):
        reviewed(folder).open()
    (folder / "corrections.csv").unlink()
    table = catalog(folder).load("label_issues")
    catalog(folder).save("label_issues", table.assign(path="gone.png"))
    with pytest.raises(MissingInputError, match=r"names photos that the source lacks: gone\.png"):
        reviewed(folder).open()
    catalog(folder).save("label_issues", table[:0])
    with pytest.raises(MissingInputError, match="has no rows: no photo needs a correction"):
        reviewed(folder).open()
    Path(catalog(folder).get("label_issues").filepath).unlink()
    page = ask(address)[2].decode()
    command = f"kedro run --env=test --params=ingestion.source={folder}/photos.zip --pipelines=data_quality"
    assert f"There is no label_issues.csv to review yet. Create it with: {command}" in page
    assert 'id="issue"' not in page


def test_the_file_is_the_one_named_or_that_of_the_environment_or_of_the_last_run(folder):
    entries, ingestion = catalog(folder), configuration()[1]
    chosen = review_page.Reviewed(entries, "test", ingestion)
    assert chosen.file == "conf/test/corrections.csv"
    assert chosen.command(chosen.file) == (
        f"kedro run --env=test --params=ingestion.source={folder}/photos.zip,"
        "ingestion.corrections=conf/test/corrections.csv"
    )
    named = review_page.Reviewed(entries, "test", ingestion, experiment="slower")
    assert (
        named.command(None) == f"kedro run --env=test --params=experiment=slower,ingestion.source={folder}/photos.zip"
    )
    record = entries.load("ingestion_record")
    record["parameters"]["corrections"] = "my rows.csv (SHA-256 0123456789abcdef)"
    entries.save("ingestion_record", record)
    assert chosen.file == "my rows.csv"
    of_environment = ingestion.model_copy(update={"corrections": "conf/mine.csv", "source": f"{folder}/photos.zip"})
    assert review_page.Reviewed(entries, None, of_environment).command("conf/mine.csv") == "kedro run"
    assert review_page.Reviewed(entries, None, of_environment).file == "conf/mine.csv"
    assert review_page.Reviewed(entries, None, of_environment, "a.csv").file == "a.csv"


@pytest.mark.medium
def test_a_killed_server_loses_no_decision(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": f"{PROJECT / 'src'}{os.pathsep}{PROJECT}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    url = next(line.split()[1] for line in process.stdout if line.startswith("Open ")) + "review/decision"
    for path, *_ in ISSUES[:2]:
        assert ask(url, {"path": path, "action": "leave_out"})[0] == 200
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert [row[0] for row in rows(folder)[1:]] == [path for path, *_ in ISSUES[:2]]
    assert sorted(reviewed(folder).open().decided()) == [path for path, *_ in ISSUES[:2]]


@pytest.mark.slow
def test_keys_decide_and_a_reloaded_page_resumes(browser, folder, address):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    def heading():
        return browser.find_element(By.CSS_SELECTOR, "#issue h2").text

    def press(key, said):
        browser.switch_to.active_element.send_keys(key)
        WebDriverWait(browser, 60).until(lambda b: b.find_element(By.ID, "status").text.startswith(said))

    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    browser.get(address)
    assert heading() == "cat/0.png"
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360
    image = browser.find_element(By.CSS_SELECTOR, ".review img")
    WebDriverWait(browser, 60).until(lambda b: b.execute_script("return arguments[0].naturalWidth", image) == 1000)
    press("a", "cat/0.png: relabelled as dog. 1 of 4 decided. cat/1.png")
    press("k", "cat/1.png: kept as cat")
    press("1", f"dog/0.png: relabelled as {CHEESE}")
    press(Keys.ARROW_LEFT, "3 of 4 decided. dog/0.png")
    press("X", "dog/0.png: left out")
    browser.refresh()
    assert heading() == f"{CHEESE}/0 & 1.png"
    assert browser.find_element(By.ID, "decision").text == "none yet"
    press("2", f"{CHEESE}/0 & 1.png: relabelled as cat")
    press("u", f"{CHEESE}/0 & 1.png: undone. 3 of 4 decided")
    browser.find_element(By.CSS_SELECTOR, "[data-key=x]").click()
    WebDriverWait(browser, 60).until(lambda b: "4 of 4 decided" in b.find_element(By.ID, "status").text)
    assert browser.switch_to.active_element.get_attribute("data-key") == "x"
    assert [row[:3] for row in rows(folder)[1:]] == [
        ["cat/0.png", "relabel", "dog"],
        ["cat/1.png", "relabel", "cat"],
        ["dog/0.png", "leave_out", ""],
        [f"{CHEESE}/0 & 1.png", "leave_out", ""],
    ]
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_file_that_a_run_would_replace_is_refused_before_a_decision(folder):
    with pytest.raises(CorrectionsError, match="a result that the next run would replace"):
        replace(reviewed(folder), wanted="data/08_reporting/test/corrections.csv").open()


def test_the_home_of_an_unknown_user_is_a_folder_like_any_other(folder):
    assert replace(reviewed(folder), wanted="~nobody77/corrections.csv").open().decided() == {}
