"""A DVC stage ends when DVC is gone, says so, and does nothing else to a run."""

import os
import signal
import subprocess
import sys
import textwrap

from tests.conftest import SOURCE

STAGE = """
    import sys, time
    from dogs_vs_cats.dvc_sync.hooks import _end_with_dvc
    _end_with_dvc()
    print("started", flush=True)
    time.sleep(float(sys.argv[1]))
    print("ended by itself", flush=True)
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_stage_whose_dvc_is_killed_ends_and_says_why() -> None:
    dvc = start(
        "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], '60'])", textwrap.dedent(STAGE)
    )
    assert dvc.stdout
    assert dvc.stderr
    assert "started\n" in iter(dvc.stdout.readline, "")
    dvc.send_signal(signal.SIGKILL)
    # The stage has the same pipes: they end when it ends.
    assert dvc.stdout.read() == ""
    assert "DVC has ended, and its stage ends with it." in dvc.stderr.read()
    dvc.communicate()


def test_a_stage_goes_on_where_the_system_hides_other_processes() -> None:
    hidden = """
        import psutil
        def name(process):
            raise psutil.AccessDenied(process.pid)
        psutil.Process.name = name
    """
    stage = start(textwrap.dedent(hidden) + textwrap.dedent(STAGE), "1")
    output, errors = stage.communicate(timeout=120)
    assert stage.returncode == 0, errors
    assert output.endswith("started\nended by itself\n")
    assert "This stage doesn't end when DVC is killed" in output
