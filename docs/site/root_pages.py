"""Hook of MkDocs: README and the other pages in the project's root are pages of the site, too."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "CODE_OF_CONDUCT.md": "code_of_conduct.md",
}
FILES = ("LICENSE", "CITATION.cff")
LINK = re.compile(r"(?<=\]\()[\w./-]+")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages with links that hold in the site, and the files that they link to."""
    root = Path(config.config_file_path).parent
    for source, page in PAGES.items():
        text = (root / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=LINK.sub(_in_site, text)))
    for name in FILES:
        files.append(File.generated(config, name, abs_src_path=str(root / name)))
    return files


def _in_site(link: re.Match[str]) -> str:
    """The address in the site of a file that a page in the root links to."""
    return PAGES.get(link[0], link[0].removeprefix("docs/"))
