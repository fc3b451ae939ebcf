"""The model server, as the Dockerfile starts it: a real process that answers real requests."""

import base64
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import mlflow.version
import numpy as np
import pytest
import uvicorn
from click.testing import CliRunner
from PIL import Image

from dogs_vs_cats.app.commands import serve
from dogs_vs_cats.app.serving import listen
from dogs_vs_cats.errors import ModelFileError
from dogs_vs_cats.inference.classifiers import load_classifier
from dogs_vs_cats.tracking import store, worker
from tests.conftest import PROJECT, copy_project
from tests.pipelines.test_inference import INGESTION, classify, save
from tests.tracking.tracking_stub import Stub, WorkerThread
from tests.training.test_training import COMPUTE

pytestmark = pytest.mark.slow

MAX_BYTES = 1_000_000
CONNECTIONS = 128


def reading_model():
    """A model that answers with the mean colour of an image, so that 300 colours have 300 answers."""
    import keras

    keras.utils.clear_session()
    image = keras.Input((32, 32, 3), name="image")
    colour = keras.layers.GlobalAveragePooling2D(name="colour")(image)
    dense = keras.layers.Dense(1, activation="sigmoid", name="answer")
    model = keras.Model(image, dense(colour), name="reading")
    dense.set_weights([np.array([[0.04], [0.02 / 255], [0]], np.float32), np.array([-5], np.float32)])
    return model


def numbered(number):
    """A photo, and the probability of a dog for it; numbers below 300 have answers at least 0.0008 apart."""
    red, green = 50 + number % 150, 255 * (number // 150)
    buffer = io.BytesIO()
    Image.new("RGB", (40 + number % 7, 50), (red, green, 0)).save(buffer, "PNG")
    return buffer.getvalue(), 1 / (1 + np.exp(5 - 0.04 * red - 0.02 * green / 255))


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """The model, with a distribution of training images that are noise."""
    from dogs_vs_cats.evaluation.drift import Sample
    from dogs_vs_cats.evaluation.out_of_distribution import fit, with_features

    model = reading_model()
    file = save(model, tmp_path_factory.mktemp("model") / "reading.keras", ["cat", "dog"])
    noise = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3), np.uint8)
    features = np.asarray(with_features(model).predict_on_batch(noise))[:, 1:]
    answers = Sample.of(np.full((100, 2), 0.5), np.zeros(100, bool))
    distribution = fit(features, np.arange(100) % 2, features)
    np.savez(file.with_suffix(".npz"), **distribution.arrays(), **answers.arrays())
    return file


@pytest.fixture(scope="module")
def project(model_file, tmp_path_factory):
    """A project whose champion is the model, in a folder that has nothing else of this one than packages."""
    project = copy_project(tmp_path_factory.mktemp("server") / "project")
    (project / ".venv").symlink_to(sys.prefix)
    for name, old, new in (
        ("conf/test/parameters.yml", "registered_model: null", "registered_model: dogs-vs-cats"),
        ("conf/base/parameters_inference.yml", "unsure_below: null", "unsure_below: 0.6"),
    ):
        text = (project / name).read_text()
        assert old in text
        (project / name).write_text(text.replace(old, new))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")  # which MLflow sets
        patch.setattr(store, "ROOT", project)
        patch.setattr(worker, "start", WorkerThread)
        files = ({"naive_cnn": model_file.with_suffix(suffix).read_bytes()} for suffix in (".keras", ".npz"))
        models, distributions = files
        Stub(
            project.parent / "training",
            list(models),
            models=models,
            distributions=distributions,
            registered_model="dogs-vs-cats",
            experiment="test",
        ).run()
    return project


def in_dockerfile(instruction):
    """The words of an instruction of the Dockerfile."""
    text = (PROJECT / "Dockerfile").read_text().replace("\\\n", " ")
    (words,) = re.findall(rf"^{instruction}\b.*?(\[.+\])$", text, re.MULTILINE)
    return json.loads(words)


@pytest.fixture(scope="module")
def server(project):
    """The running process, and its port."""
    entrypoint = in_dockerfile("ENTRYPOINT")
    process = subprocess.Popen(
        [*entrypoint, "--env=test", "--host=127.0.0.1", "--port=0", f"--max-bytes={MAX_BYTES}"],
        cwd=project,
        env={**os.environ, "COLUMNS": "200", "DO_NOT_TRACK": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed = []
    for line in process.stdout:
        printed.append(line)
        if found := re.match(r"Answering photos at http://127\.0\.0\.1:(\d+)/classify ", line):
            break
    else:
        pytest.fail("".join(printed))
    assert "Loading models:/dogs-vs-cats-test@champion" in "".join(printed)
    yield process, int(found[1])
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def port(server):
    return server[1]


def ask(port, path, body=None, content_type="application/octet-stream"):
    """Status and content of the answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def form(*photos, field="photos"):
    """A form's body and type."""
    parts = [
        f'--limit\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in photos
    ]
    return b"".join(parts) + b"--limit--\r\n", "multipart/form-data; boundary=limit"


def as_json(*photos):
    return json.dumps({"inputs": [base64.b64encode(photo).decode() for photo in photos]}).encode(), "application/json"


def dog(prediction):
    return prediction["probabilities"]["dog"]


def test_the_addresses_of_mlflow_and_the_health_check_of_the_dockerfile_answer(port):
    assert ask(port, "/ping") == ask(port, "/health") == (200, "\n")
    assert ask(port, "/version") == (200, mlflow.version.VERSION)
    python, *options, program = in_dockerfile("HEALTHCHECK")
    assert python == ".venv/bin/python"
    for asked, code in ((port, 0), (1, 1)):
        check = [sys.executable, *options, program.replace("5001", str(asked))]
        assert subprocess.run(check, capture_output=True).returncode == code


def test_photos_get_the_answers_of_inference(port, model_file, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(5)
    for number in range(6):
        pixels = random.integers(20 * number, 20 * number + 60, (90, 70, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
    Image.fromarray(random.integers(0, 256, (90, 70, 3), np.uint8)).save(folder / "6.png")
    table, _ = classify(folder, load_classifier("reading", model_file), tmp_path, unsure_below=0.6)
    rows = table.to_dict("records")
    photos = [(row["path"], (folder / row["path"]).read_bytes()) for row in rows]
    (status, one_by_one) = 200, []
    for _, data in photos:
        status, text = ask(port, "/classify", data)
        assert status == 200, text
        one_by_one += json.loads(text)["predictions"]
    batch = json.loads(ask(port, "/classify", *form(*photos))[1])["predictions"]
    scored = json.loads(ask(port, "/invocations", *as_json(*(data for _, data in photos)))[1])["predictions"]
    for answers in (one_by_one, batch, scored):
        assert [dog(answer) for answer in answers] == pytest.approx(
            [float(row["probability_dog"]) for row in rows], abs=1e-6
        )
        assert [answer["predicted"] for answer in answers] == [row["predicted"] for row in rows]
    for answers in (one_by_one, batch):
        assert [str(answer["unsure"]).lower() for answer in answers] == [row["unsure"] for row in rows]
        unfamiliar = [str(answer["out_of_distribution"]).lower() for answer in answers]
        assert unfamiliar == [row["out_of_distribution"] for row in rows]
        assert {*unfamiliar} == {"true", "false"}
    assert {*scored[0]} == {"predicted", "probabilities"}


def test_invocations_take_pixels_too(port):
    pixels = np.full((32, 32, 3), (100, 0, 0)).tolist()
    photo, expected = numbered(50)
    body = json.dumps({"inputs": [pixels, base64.b64encode(photo).decode()]}).encode()
    status, text = ask(port, "/invocations", body, "application/json")
    assert status == 200
    assert [dog(answer) for answer in json.loads(text)["predictions"]] == pytest.approx([expected] * 2, abs=1e-6)


PHOTO = numbered(0)[0]
LARGE_FILE = b"\x89PNG\r\n\x1a\n" + bytes(200_000)


@pytest.mark.parametrize(
    ("path", "request_", "said"),
    [
        ("/classify", (b"",), r"The request is not a usable image file: empty file"),
        ("/classify", (b"no photo",), r"The request is not a usable image file: not an image in a known format \(.*\)"),
        (
            "/classify",
            form(("a.png", PHOTO), ("b.png", PHOTO[:60])),
            r"photos\[1\] \(b.png\) is not a usable image file: truncated.*",
        ),
        (
            "/classify",
            form(("a.png", PHOTO), field="file"),
            r"A form has .*: curl --form photos=@PHOTO. Sent were: file",
        ),
        (
            "/classify",
            (form(("ONE.jpg", b"ONE.jpg"))[0].replace(b'; filename="ONE.jpg"', b""), form()[1]),
            r"A form has .* Sent were: photos without a file",
        ),
        ("/classify", form(), r"A form has .* Sent were: none"),
        ("/classify", (form(("a.png", PHOTO))[0][:-30], form()[1]), r"The request isn't a valid form: .*"),
        ("/invocations", as_json(PHOTO, LARGE_FILE), r"inputs\[1\] is not a usable image file: .{1,100}"),
        (
            "/invocations",
            (b'{"inputs": "photo"}', "application/json"),
            r'inputs isn\'t a list\. .*: \{"inputs": \[IMAGE, IMAGE\]\}',
        ),
    ],
)
def test_what_is_no_photo_is_refused_in_one_line_that_names_it(port, path, request_, said):
    status, text = ask(port, path, *request_)
    assert status == 400
    answer = json.loads(text)
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
    assert re.fullmatch(said, answer["message"])
    assert len(text) < 500


@pytest.mark.parametrize("path", ["/classify", "/invocations"])
def test_a_larger_request_than_allowed_is_refused(port, path):
    status, text = ask(port, path, bytes(MAX_BYTES + 1))
    assert status == 413
    assert json.loads(text)["message"].startswith("The request is larger than 1,000,000 bytes. ")


def test_a_request_as_large_as_allowed_is_answered(port):
    assert ask(port, "/classify", PHOTO.ljust(MAX_BYTES, b"\0"))[0] == 200


def test_300_requests_of_16_clients_get_their_own_answers(port):
    def client(numbers):
        """Asks on one connection, which stays open."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        answers = {}
        for number in numbers:
            photo, _ = numbered(number)
            path, body, kind = ("/classify", photo, "image/png") if number % 3 else ("/invocations", *as_json(photo))
            connection.request("POST", path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            assert answer.status == 200
            ((prediction),) = json.loads(answer.read())["predictions"]
            answers[number] = dog(prediction)
        connection.close()
        return answers

    with ThreadPoolExecutor(16) as pool:
        answers = {k: v for part in pool.map(client, (range(i, 300, 16) for i in range(16))) for k, v in part.items()}
    assert answers == pytest.approx({number: numbered(number)[1] for number in range(300)}, abs=1e-5)


def test_beyond_the_limit_of_open_connections_requests_are_refused(port):
    with ExitStack() as opened:
        for _ in range(CONNECTIONS - 1):
            opened.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert ask(port, "/ping") == (503, "Service Unavailable")
    deadline = time.monotonic() + 30
    while ask(port, "/ping")[0] == 503:  # the server hasn't noticed yet that they are closed
        assert time.monotonic() < deadline


def test_sigterm_ends_the_server_once_what_has_begun_is_answered(server):
    process, port = server
    for body in (b"half", PHOTO):  # some hang up while they send, and while they wait
        with socket.create_connection(("127.0.0.1", port)) as gone:
            gone.sendall(b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(PHOTO) + body)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    photo, expected = numbered(77)
    connection.putrequest("POST", "/classify")
    connection.putheader("Content-Length", str(len(photo)))
    connection.endheaders(photo[:50])
    assert ask(port, "/ping")[0] == 200  # by now the server knows of it
    process.send_signal(signal.SIGTERM)
    connection.send(photo[50:])
    answer = connection.getresponse()
    assert answer.status == 200
    assert dog(json.loads(answer.read())["predictions"][0]) == pytest.approx(expected, abs=1e-5)
    connection.close()
    printed = {*process.communicate(timeout=60)[0].splitlines()}
    assert printed <= {"WARNING:  Exceeded concurrency limit."}, "all tests have made it print nothing else"
    assert process.returncode == 0


@contextmanager
def served(photos, monkeypatch, seconds):
    """The port of an application in this process, which waits so long for requests and for answers."""
    from dogs_vs_cats.app.server import build

    monkeypatch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", str(seconds))
    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "")  # which MLflow sets
    server = uvicorn.Server(uvicorn.Config(build(photos, MAX_BYTES), log_level="warning"))
    with listen("127.0.0.1", [0]) as listening:
        thread = Thread(target=server.run, args=([listening],))
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def test_a_half_sent_request_ends_with_its_connection(monkeypatch):
    with (
        served(None, monkeypatch, seconds=0) as port,
        socket.create_connection(("127.0.0.1", port), timeout=60) as connection,
        connection.makefile("rb") as answer,
    ):
        connection.sendall(b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
        status, *_, line = answer.read().decode().splitlines()
    assert status.startswith("HTTP/1.1 408 ")
    assert json.loads(line)["message"].startswith("The request hasn't arrived within 0 seconds. ")


class Held:
    """Takes photos, and answers none until it may."""

    def __init__(self):
        self.may_answer = Event()

    def answers(self, entries, names):
        assert self.may_answer.wait(60)
        return []


def test_nobody_waits_longer_for_an_answer_than_the_limit(monkeypatch):
    photos = Held()
    with served(photos, monkeypatch, seconds=1) as port, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(ask, port, path, *as_json(PHOTO)) for path in ("/classify", "/invocations")]
        assert [request.result() for request in asked] == [(504, "Request processing time exceeded limit")] * 2
        photos.may_answer.set()


def test_no_further_batch_is_computed_once_an_answer_takes_too_long(monkeypatch, tmp_path):
    with served(by_blue(1 / 255, tmp_path), monkeypatch, seconds=60) as port:
        assert ask(port, "/classify", PHOTO)[0] == 200
        monkeypatch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "0")  # which is read for each answer
        for path, request in (("/classify", (PHOTO,)), ("/invocations", as_json(PHOTO))):
            status, text = ask(port, path, *request)
            assert status == 504
            assert json.loads(text) == {
                "error_code": "DEADLINE_EXCEEDED",
                "message": "The answers took too long. Send fewer photos at once.",
            }


def by_blue(factor, folder):
    """A classifier without a last activation: it answers with a multiple of an image's blue."""
    import keras

    from dogs_vs_cats.app.server import PhotoClassifier

    keras.utils.clear_session()
    image = keras.Input((32, 32, 3), name="image")
    dense = keras.layers.Dense(1, name="answer")
    model = keras.Model(image, dense(keras.layers.GlobalAveragePooling2D(name="colour")(image)), name="blue")
    dense.set_weights([np.array([[0], [0], [factor]], np.float32), np.zeros(1, np.float32)])
    classifier = load_classifier("blue", save(model, folder / "blue.keras", ["cat", "dog"]))
    return PhotoClassifier(classifier, COMPUTE, INGESTION.decoding(None, "stretch"), None)


def test_a_model_that_returns_no_probabilities_is_not_served(tmp_path):
    with pytest.raises(ModelFileError, match="its last layer must be a sigmoid or a softmax"):
        by_blue(3 / 255, tmp_path)


def test_an_answer_that_is_no_probability_is_said_in_one_line(monkeypatch, tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (0, 0, 255)).save(buffer, "PNG")
    with served(by_blue(1.5 / 255, tmp_path), monkeypatch, seconds=60) as port:
        for path, request in (("/classify", (buffer.getvalue(),)), ("/invocations", as_json(buffer.getvalue()))):
            status, text = ask(port, path, *request)
            assert status == 500
            assert json.loads(text)["error_code"] == "INTERNAL_ERROR"
            assert re.fullmatch(
                r"The model returned an array .* from 1.5 to 1.5\. .* a softmax\.", json.loads(text)["message"]
            )


def test_a_port_in_use_is_said_at_once():
    with socket.create_server(("127.0.0.1", 0)) as other:
        result = CliRunner().invoke(serve, [f"--port={other.getsockname()[1]}"])
    assert result.exit_code == 1
    assert re.fullmatch(
        r"Error: Can't listen on 127\.0\.0\.1, port \d+: Address already in use\. .* --port=PORT\n", result.output
    )


def test_the_dockerfile_copies_and_makes_what_there_is():
    text = (PROJECT / "Dockerfile").read_text().replace("\\\n", " ")
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    copied = [word for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE) for word in line.split()[1:-1]]
    names = [re.sub(r"\$\{(\w+)\}", lambda found: defaults[found[1]], word) for word in copied]
    assert [name for name in names if not Path(PROJECT / name).exists()] == []
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
    assert {base for base, _ in stages[1:]} <= {name for _, name in stages}
