"""Renews what README.md, docs and their picture show of the sample, all from one run: `make readme`.

The pages show outputs of DVC's commands. A clone of what is committed reproduces the sample and tries one experiment;
there, each command that a page shows runs again, and its output replaces the old one. The picture is a screenshot of
the comparison page and carries the run's metrics, which a test compares with the pages.
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
PAGES = ("README.md", "docs/dvc.md")
PICTURE = "docs/images/comparison.png"
WIDTH = 1180
EXPERIMENT = "dvc exp run -S conf/base/parameters_naive_cnn.yml:naive_cnn.learning_rate=0.0005 --name slower"
SHOWN = re.compile(
    r"^    \$ (?P<command>dvc (?:exp show|metrics diff|params diff)[^\n#]*?)(?: +#[^\n]*)?\n"
    r"(?P<output>(?:    [^$\n][^\n]*\n)+)",
    re.MULTILINE,
)


def main() -> None:
    """Runs the sample and the experiment, and rewrites the pages and the picture."""
    chromium, driver = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
    if not (chromium and driver):
        sys.exit("The picture is a screenshot, and headless Chromium is missing: install chromium and chromedriver.")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        run(clone, "git switch --quiet --force-create main")
        run(clone, "dvc repro")
        run(clone, "git commit --all --quiet --message='The sample'")
        reports = clone / "data/08_reporting/sample"
        picture = photograph(reports / "comparison.html", chromium, driver)
        metrics = PngImagePlugin.PngInfo()
        metrics.add_text("metrics", (reports / "metrics.json").read_text(encoding="utf-8"))
        picture.save(ROOT / PICTURE, pnginfo=metrics, optimize=True)
        run(clone, EXPERIMENT)
        for page in PAGES:
            text = (ROOT / page).read_text(encoding="utf-8")
            (ROOT / page).write_text(SHOWN.sub(lambda shown: renewed(shown, clone), text), encoding="utf-8")


def run(clone: Path, command: str, stdout: int | None = None) -> str:
    """Runs a command in the clone, with this Python's programs and nothing of the user's.

    Args:
        clone: A clone of the project.
        command: What one would type.
        stdout: PIPE returns what it prints; None lets it go to the terminal.
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
    """The command as it stands in a page, with what it prints now."""
    lines = run(clone, shown["command"], stdout=subprocess.PIPE).splitlines()
    return shown[0].removesuffix(shown["output"]) + "".join(f"    {line}".rstrip() + "\n" for line in lines if line)


def photograph(page: Path, chromium: str, driver: str) -> Image.Image:
    """Takes a picture of a comparison page, from its top to its table."""
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
