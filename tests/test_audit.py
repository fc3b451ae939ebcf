"""`make audit`: a vulnerable package is named, and a list that can't be reached never passes for a clean one."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import PROJECT

VULNERABLE = {
    "id": "PYSEC-0000-1",
    "aliases": [],
    "summary": "Old.",
    "details": "Old.",
    "modified": "2024-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "old", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
            "versions": ["1.0"],
        }
    ],
}


class List(BaseHTTPRequestHandler):
    """Answers as the open list of vulnerabilities does (OSV): the package `old` has one."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"vulns": [VULNERABLE]} if asked["package"]["name"] == "old" else {}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), List)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def audit(folder, packages, *options):
    lock = folder / "requirements.lock"
    lock.write_text("".join(f"{package} \\\n    --hash=sha256:{'0' * 64}\n" for package in packages))
    return subprocess.run(
        [sys.executable, PROJECT / ".ci/audit.py", lock, *options, "--cache-dir", folder / "cache"],
        env={**os.environ, "https_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_packages_without_a_known_vulnerability_pass(tmp_path, address):
    done = audit(tmp_path, ["new==1.0", "newer==3.1"], "-s", "osv", "--osv-url", address)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 packages" in done.stdout
    assert "none is known to be vulnerable" in done.stdout


def test_a_vulnerable_package_is_named_with_the_version_that_fixes_it(tmp_path, address):
    done = audit(tmp_path, ["new==1.0", "old==1.0"], "-s", "osv", "--osv-url", address)
    assert done.returncode == 1
    assert "old 1.0: PYSEC-0000-1 (fixed in 2.0)" in done.stdout
    assert "1 of 2 packages are known to be vulnerable" in done.stdout


def test_a_list_that_cannot_be_reached_is_one_line(tmp_path):
    done = audit(tmp_path, ["new==1.0"])
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("The list of known vulnerabilities can't be reached, so nothing was checked")
    assert done.stdout == ""
