"""Renews the sample's figures in docs/dvc.md and the picture of the README from one run: `make readme`.

The page shows outputs of DVC's commands in fenced blocks. A clone of the committed state reproduces the sample and runs
one experiment. There, each command that the page shows runs again, and its output replaces the old one. The picture is
a screenshot of the comparison page. It carries the run's metrics, which a test compares with the page.
"""

import base64
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, PngImagePlugin
from selenium import webdriver
from selenium.webdriver.common.by import By

ROOT = Path(__file__).parents[1]
PAGE = "docs/dvc.md"
PICTURE = "docs/images/comparison.png"
WIDTH = 1180
EXPERIMENT = "dvc exp run -S conf/base/parameters_naive_cnn.yml:naive_cnn.learning_rate=0.0005 --name slower"
SHOWN = re.compile(
    r"^```console\n\$ (?P<command>dvc (?:exp show|metrics diff|params diff)[^\n]*)\n(?P<output>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def main() -> None:
    """Runs the sample and the experiment, then rewrites the page and the picture."""
    chromium, driver = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
    if not (chromium and driver):
        sys.exit("The picture is a screenshot, which needs headless Chromium: install chromium and chromedriver.")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        run(clone, "git switch --quiet --force-create main")
        run(clone, "dvc repro")
        run(clone, "git commit --all --quiet --allow-empty --message='The sample'")
        reports = clone / "data/08_reporting/sample"
        picture = photograph(reports / "comparison.html", chromium, driver)
        metrics = PngImagePlugin.PngInfo()
        metrics.add_text("metrics", (reports / "metrics.json").read_text(encoding="utf-8"))
        picture.save(ROOT / PICTURE, pnginfo=metrics, optimize=True)
        run(clone, EXPERIMENT)
        text = (ROOT / PAGE).read_text(encoding="utf-8")
        (ROOT / PAGE).write_text(SHOWN.sub(lambda shown: renewed(shown, clone), text), encoding="utf-8")


def run(clone: Path, command: str, stdout: int | None = None) -> str:
    """Runs a command in the clone, with the programs of this Python and without the user's settings.

    Args:
        clone: A clone of the project.
        command: The command line.
        stdout: PIPE returns the output; None prints it.
    """
    variables = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DOGS_VS_CATS_TRACKING": "off",
        "DVC_SITE_CACHE_DIR": str(clone.with_name("site_cache")),
        **{f"GIT_{role}_NAME": "make readme" for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": "readme@localhost" for role in ("AUTHOR", "COMMITTER")},
    }
    done = subprocess.run(
        shlex.split(command), cwd=clone, env={**os.environ, **variables}, check=True, text=True, stdout=stdout
    )
    return done.stdout


def renewed(shown: re.Match[str], clone: Path) -> str:
    """Runs a command of the page again and returns its block with the new output."""
    lines = run(clone, shown["command"], stdout=subprocess.PIPE).splitlines()
    output = "".join(f"{line.rstrip()}\n" for line in lines if line)
    return f"```console\n$ {shown['command']}\n{output}```"


def photograph(page: Path, chromium: str, driver: str) -> Image.Image:
    """Photographs a comparison page from its top to the end of its table."""
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={WIDTH},1000"):
        options.add_argument(argument)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as browser:
        browser.get(page.as_uri())
        height = browser.find_element(By.ID, "curves").location["y"] - 30
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
        taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    return Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")


if __name__ == "__main__":
    main()
