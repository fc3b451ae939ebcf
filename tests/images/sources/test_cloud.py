"""Images in object storage, from a real S3 server on this machine."""

import json
import logging
import pickle
import socket
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pytest

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources import DOWNLOADS, cloud, open_source
from dogs_vs_cats.images.sources.base import ImageReadError
from tests.conftest import S3_KEY, S3_SECRET, post
from tests.pipelines.test_data_ingestion import folder_of, ingest, jpeg, parameters


def upload(s3: Any, folder: Path, prefix: str = "photos") -> str:
    for path in folder.rglob("*"):
        if path.is_file():
            s3.put_object(Bucket="bucket", Key=f"{prefix}/{path.relative_to(folder)}", Body=path.read_bytes())
    return f"s3://bucket/{prefix}"


def odd_folder(root: Path) -> Path:
    """Photos, names that addresses and patterns use, and files that can't be used."""
    folder_of(root, 12, 12)
    for number, name in enumerate(("a b+c%20d.jpg", "what?#1.jpg", "[*].jpg", "Kätzchen 😺.jpg", "deep/er/1.jpg")):
        (root / "Cat" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "Cat" / name).write_bytes(jpeg(100 + number))
    (root / "Dog/empty.jpg").touch()
    (root / "Dog/text.jpg").write_text("no photo")
    (root / "Dog/large.jpg").write_bytes(bytes(30_000))
    (root / "Dog/copy.jpg").write_bytes(jpeg(0))
    (root / "Dog/.hidden.jpg").write_bytes(jpeg(1))
    (root / "README.md").write_text("Photos")
    (root / "misc").mkdir()
    return root


def test_a_folder_gives_the_bytes_that_it_gives_on_disk(s3, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    folder = odd_folder(tmp_path / "photos")
    address = upload(s3, folder)
    s3.put_object(Bucket="bucket", Key="photos/", Body=b"")  # as the console creates folders
    s3.put_object(Bucket="bucket", Key="photos/Cat/", Body=b"")
    s3.put_object(Bucket="bucket", Key="photos-of-birds/1.jpg", Body=jpeg(5))
    results = {
        place: ingest(parameters(place, max_bytes=20_000), tmp_path / name)
        for name, place in (("disk", str(folder)), ("cloud", f"{address}/"))
    }
    here, there = results.values()
    assert (tmp_path / "disk/images.npy").read_bytes() == (tmp_path / "cloud/images.npy").read_bytes()
    assert here["manifest"].equals(there["manifest"])
    assert here["rejected_images"].equals(there["rejected_images"])
    assert len(there["rejected_images"]) == 4
    assert here["ingestion_record"]["identity"] == there["ingestion_record"]["identity"]


def test_objects_that_changed_are_decoded_again_and_others_are_not(s3, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    folder = folder_of(tmp_path / "photos", 6, 6)
    ingestion = parameters(upload(s3, folder))
    before = ingest(ingestion, tmp_path / "results")["manifest"]
    assert "images are decoded already" not in caplog.text
    upload(s3, folder)  # new dates, and the same content
    ingest(ingestion, tmp_path / "results")
    assert "images are decoded already" in caplog.text
    s3.put_object(Bucket="bucket", Key="photos/Cat/3.jpg", Body=jpeg(200))
    after = ingest(ingestion, tmp_path / "results")["manifest"]
    changed = before.merge(after, on="path").query("sha256_x != sha256_y")
    assert changed["path"].tolist() == ["Cat/3.jpg"]


def test_objects_that_vanish_change_or_may_not_be_read_are_rejected_one_by_one(s3, tmp_path):
    folder = folder_of(tmp_path / "photos", 8, 3)
    address = upload(s3, folder)
    s3.put_object(Bucket="bucket", Key="photos/Cat/0.jpg", Body=jpeg(0), StorageClass="GLACIER")
    with open_source(parameters(address), tmp_path) as source:
        entries = source.entries()
        s3.delete_object(Bucket="bucket", Key="photos/Cat/1.jpg")
        s3.put_object(Bucket="bucket", Key="photos/Cat/2.jpg", Body=b"shorter")
        s3.put_object(Bucket="bucket", Key="photos/Cat/3.jpg", Body=jpeg(3) + b"longer")
        s3.put_object(Bucket="bucket", Key="photos/Cat/4.jpg", Body=b"")
        source.prefetch(entries)
        reasons = {}
        for entry in entries:
            try:
                assert source.read(entry) == (folder / entry.path).read_bytes()
            except ImageReadError as error:
                reasons[entry.path] = str(error)
    assert reasons.pop("Cat/0.jpg").startswith("can't be read: The operation is not valid for the object's storage")
    assert reasons.pop("Cat/4.jpg").startswith("can't be read: ")
    assert reasons == {
        "Cat/1.jpg": "vanished after it was listed",
        "Cat/2.jpg": "changed after it was listed",
        "Cat/3.jpg": "changed after it was listed",
    }


def test_objects_that_could_not_be_read_are_tried_again_at_the_same_time(s3, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    address = upload(s3, folder_of(tmp_path / "photos", 8, 6))
    for number in range(2):
        s3.put_object(Bucket="bucket", Key=f"photos/Cat/{number}.jpg", Body=jpeg(0), StorageClass="GLACIER")
    before = ingest(parameters(address), tmp_path / "results")["rejected_images"]
    both, fetch = threading.Barrier(2, timeout=10), cloud.CloudFolder._fetch

    def fetch_both(source: cloud.CloudFolder, path: str) -> bytes:
        both.wait()
        return fetch(source, path)

    monkeypatch.setattr(cloud.CloudFolder, "_fetch", fetch_both)
    after = ingest(parameters(address), tmp_path / "results")["rejected_images"]
    assert "images are decoded already" in caplog.text
    assert after.equals(before)
    assert before["path"].tolist() == ["Cat/0.jpg", "Cat/1.jpg"]


def test_many_folders_are_listed_as_few_are_and_at_once(s3, s3_log, tmp_path, monkeypatch):
    address = upload(s3, odd_folder(tmp_path / "photos"))
    s3.put_object(Bucket="bucket", Key="photos/Cat/", Body=b"")
    s3.put_object(Bucket="bucket", Key="photos-of-birds/1.jpg", Body=jpeg(5))
    sources, lists = [], []
    for readers in (cloud.READERS, 1):
        monkeypatch.setattr(cloud, "READERS", readers)
        before = s3_log.read_text()
        with cloud.CloudFolder(address, parameters(address), labelled=True) as source:
            sources.append(source)
        lists.append(s3_log.read_text().removeprefix(before).count("list-type=2"))
    few, many = sources
    assert lists == [1 + 2, 1 + 1]  # the top, and each folder in it; the top, and all below it
    assert many.files == few.files
    assert many.folders == few.folders
    assert many.entries() == few.entries()


def test_a_zip_file_is_downloaded_once_for_each_version(s3, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    archive = tmp_path / "Photos.zip"
    for count in (3, 4):
        with zipfile.ZipFile(archive, "w") as made:
            for path in folder_of(tmp_path / str(count), count, count).rglob("*.jpg"):
                made.write(path, f"inside/{path.relative_to(tmp_path / str(count))}")
        s3.upload_file(str(archive), "bucket", "Photos.zip")
        for address in ("s3://bucket/Photos.zip", "s3://bucket/Photos.zip/inside"):
            with open_source(parameters(address), tmp_path) as source:
                assert source.class_names == ["cat", "dog"]
                assert len(source.entries()) == 2 * count
                assert source.read(source.entries()[0]) == jpeg(0)
    assert caplog.text.count("downloaded before") == 2
    assert len(list((tmp_path / DOWNLOADS).iterdir())) == 2
    with pytest.raises(SourceError, match=r"s3://bucket/Photos.zip isn't the expected file: its SHA-256 is"):
        open_source(parameters("s3://bucket/Photos.zip", sha256="0" * 64), tmp_path)


def test_a_download_continues_where_it_was_interrupted(s3, tmp_path):
    folder = tmp_path / "downloads"
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("cat.0.jpg", jpeg(0))
    s3.upload_file(str(archive), "bucket", "photos.zip")
    path, _ = cloud.download_archive("s3://bucket/photos.zip", None, folder)
    # The first bytes are another archive's: whoever read them again would have replaced them.
    path.with_suffix(".part").write_bytes(b"PK\x03\x05" + archive.read_bytes()[4:100])
    path.unlink()
    again, _ = cloud.download_archive("s3://bucket/photos.zip", None, folder)
    assert again == path
    assert path.read_bytes() == b"PK\x03\x05" + archive.read_bytes()[4:]
    assert [item.name for item in folder.iterdir()] == [path.name]


def test_a_table_names_the_objects_beside_it(s3, tmp_path):
    folder = folder_of(tmp_path / "photos", 3, 3)
    rows = [f"{path.relative_to(folder)},{path.parent.name}\n" for path in sorted(folder.rglob("*.jpg"))]
    (folder / "labels.csv").write_text("file,breed\n" + "".join(rows[1:]))
    address = upload(s3, folder)
    with open_source(parameters(f"{address}/labels.csv"), tmp_path) as source:
        assert source.class_names == ["cat", "dog"]
        assert [entry.path for entry in source.entries()] == [row.partition(",")[0] for row in rows[1:]]
        assert source.read(source.entries()[0]) == jpeg(1)
    with pytest.raises(SourceError, match=r"There is no table s3://bucket/photos/nolabels\.csv"):
        open_source(parameters(f"{address}/nolabels.csv"), tmp_path)
    with pytest.raises(
        SourceError, match=r"labels\.csv gives no labels: too large: \d+ bytes, ingestion\.max_bytes is 9\."
    ):
        open_source(parameters(f"{address}/labels.csv", max_bytes=9), tmp_path)


def test_one_object_is_a_source_without_labels(s3, tmp_path):
    upload(s3, folder_of(tmp_path / "photos", 1, 1))
    with open_source(parameters("s3://bucket/photos/Dog/0.jpg"), tmp_path, labelled=False) as source:
        assert [entry.path for entry in source.entries()] == ["0.jpg"]
        assert source.read(source.entries()[0]) == jpeg(1)


def refusal(address: str, folder: Path, **changes: Any) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(parameters(address, **changes), folder)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_refusals_say_in_one_line_what_is_wrong(s3, s3_server, tmp_path, monkeypatch):
    upload(s3, folder_of(tmp_path / "photos", 2, 2))
    message = "There is nothing at s3://nobucket/photos (The specified bucket does not exist). Check the address."
    assert refusal("s3://nobucket/photos", tmp_path) == message
    assert refusal("s3://nobucket/photos.zip", tmp_path).startswith("There is nothing at s3://nobucket/photos.zip (")
    assert refusal("s3://bucket/photo", tmp_path).startswith("There is nothing at s3://bucket/photo (")
    assert "1 images in its top" in refusal("s3://bucket/photos/Cat/0.jpg", tmp_path)
    assert "only with a table on disk" in refusal("s3://bucket/photos/labels.csv", tmp_path, images="photos")
    assert refusal("s3://bucket/photos", tmp_path, sha256="0" * 64).startswith("ingestion.sha256 can be checked for a")
    assert "pip install gcsfs" in refusal("gs://bucket/photos", tmp_path)
    assert "pip install adlfs" in refusal("az://container/photos.zip", tmp_path)
    assert S3_SECRET not in refusal(f"s3://{S3_KEY}:{S3_SECRET}@bucket/photos", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    message = "s3://bucket/photos can't be read: Could not connect to the endpoint URL"
    assert refusal("s3://bucket/photos", tmp_path).startswith(message)


@contextmanager
def checked_credentials(server: str) -> Iterator[None]:
    """The server checks credentials in here."""
    post(f"{server}/moto-api/reset-auth", "0")
    try:
        yield
    finally:
        post(f"{server}/moto-api/reset-auth", "inf")


def test_rights_and_credentials(s3, s3_server, tmp_path, monkeypatch):
    address = upload(s3, folder_of(tmp_path / "photos", 2, 2))
    with checked_credentials(s3_server):
        message = refusal(address, tmp_path)
        assert message.startswith(f"{address} can't be read: The AWS Access Key Id you provided does not exist")
        assert "the credentials, which come from AWS_PROFILE, AWS_ACCESS_KEY_ID or ~/.aws" in message
        assert S3_KEY not in message
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        assert refusal(address, tmp_path).startswith(f"{address} can't be read: Unable to locate credentials. Check")
    (tmp_path / "aws_credentials").write_text(
        f"[team]\naws_access_key_id = other\naws_secret_access_key = {S3_SECRET}\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "team")
    with open_source(parameters(address), tmp_path) as source:
        assert source.read(source.entries()[0]) == jpeg(0)


def test_a_part_for_another_machine_is_sent_without_credentials(s3, tmp_path, monkeypatch):
    folder = folder_of(tmp_path / "photos", 2, 2)
    address = upload(s3, folder)
    monkeypatch.setitem(fsspec.config.conf, "s3", {"key": S3_KEY, "secret": S3_SECRET})  # as FSSPEC_S3_SECRET does
    with open_source(parameters(address), tmp_path) as source:
        entries = source.entries()
        assert source._storage.storage_options["secret"] == S3_SECRET
        [part] = source.parts(entries, len(entries))
        sent = pickle.dumps(part)
    assert S3_SECRET.encode() not in sent
    assert S3_KEY.encode() not in sent
    with pickle.loads(sent) as received:
        received.prefetch(entries)
        assert [received.read(entry) for entry in entries] == [(folder / entry.path).read_bytes() for entry in entries]


def test_a_failure_of_the_storage_stops_the_run(s3, s3_server, tmp_path):
    address = upload(s3, folder_of(tmp_path / "photos", 2, 2))
    with open_source(parameters(address), tmp_path) as source:
        source.prefetch(source.entries()[:1])
        assert source.read(source.entries()[0]) == jpeg(0)
        with checked_credentials(s3_server):
            source.prefetch(source.entries())
            with pytest.raises(SourceError, match=f"^{address} can't be read: The AWS Access Key Id you provided"):
                source.read(source.entries()[0])


def test_an_object_without_the_right_to_read_it_is_rejected_alone(s3, s3_server, tmp_path, monkeypatch):
    import boto3

    folder = folder_of(tmp_path / "photos", 2, 2)
    address = upload(s3, folder)
    iam = boto3.client("iam")
    iam.create_user(UserName="guest")
    rights = [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/photos/Cat/0.jpg"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": rights})
    iam.put_user_policy(UserName="guest", PolicyName="most", PolicyDocument=policy)
    key = iam.create_access_key(UserName="guest")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    with checked_credentials(s3_server), open_source(parameters(address), tmp_path) as source:
        denied, *others = source.entries()
        with pytest.raises(ImageReadError, match=r"^can't be read: Access Denied$"):
            source.read(denied)
        assert all(source.read(entry) == (folder / entry.path).read_bytes() for entry in others)


def test_an_address_with_a_password_is_refused_and_shown_without_it(s3, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    upload(s3, folder_of(tmp_path / "photos", 2, 2))
    address = "s3://KEY:hid/den+sec/ret@bucket/photos"
    for changes in ({}, {"sha256": "0" * 64}):
        with pytest.raises(SourceError) as caught:
            ingest(parameters(address, **changes), tmp_path / "results")
        shown = caught.value.message + caplog.text
        assert not any(word in shown for word in ("KEY:", "hid", "den+sec", "ret@"))


@pytest.mark.parametrize("threads", [1, 7])
def test_reading_ahead_holds_no_more_than_its_limits(monkeypatch, threads):
    monkeypatch.setattr(cloud, "BYTES_AHEAD", 1000)
    monkeypatch.setattr(cloud, "OBJECTS_AHEAD", 50)
    sizes = {str(number): 10 if number < 200 or number % 10 else 5000 for number in range(400)}
    lock, held, most, reads = threading.Lock(), Counter[str](), Counter[str](), Counter[str]()

    def read(path: str) -> bytes:
        nonlocal most
        with lock:
            reads[path] += 1
            held.update(bytes=sizes[path], objects=1)
            most |= held
        return path.encode()

    def take(path: str) -> bool:
        data = ahead.take(path)
        with lock:
            held.subtract(bytes=sizes[path], objects=1)
        return data == path.encode()

    ahead = cloud._ReadAhead(read)
    ahead.expect(sizes.items())
    with ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(take, sizes))
    ahead.close()
    assert reads == dict.fromkeys(sizes, 1)
    assert held == {"bytes": 0, "objects": 0}
    # Each thread holds one more, which it has taken; a large one is read ahead alone.
    assert most["objects"] <= 50 + threads
    assert most["bytes"] <= 5000 + threads * 5000


def test_reading_ahead_forgets_at_once_what_is_expected_no_more(monkeypatch):
    monkeypatch.setattr(cloud, "READERS", 1)
    begun, may_end, reads = threading.Event(), threading.Event(), []

    def read(path: str) -> bytes:
        reads.append(path)
        begun.set()
        assert may_end.wait(30)
        return path.encode()

    ahead = cloud._ReadAhead(read)
    ahead.expect([("first", 1), ("forgotten", 1)])
    assert begun.wait(30)
    ahead.expect([("next", 1)])
    may_end.set()
    assert ahead.take("next") == b"next"
    ahead.close()
    assert reads == ["first", "next"]
