"""Results by kind of machine: a file for each kind, `results/<processor>-<cores>.json`, and the tables of the pages."""

import json
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

import psutil

from dogs_vs_cats.project import ROOT
from dogs_vs_cats.provenance.code import git
from dogs_vs_cats.provenance.machine import describe_machine, versions

RESULTS = ROOT / "benchmarks" / "results"

COMPUTING = ("python", "keras", "numpy", "tensorflow", "tensorflow-cpu")
"""The packages that decide how fast a run is; their versions are recorded."""

README_ROWS = {
    "lecture_run": "the lecture's experiment: three approaches, from the archive on",
    "training_with_augmentation": "training the naive CNN with augmentation",
    "augmentation": "augmenting images",
    "decode_resize": "decoding and resizing photos",
    "vgg16_extraction": "extracting VGG16's features",
}
"""The rows that README.md shows, and what it calls them."""

PEERS = {"ours": "ours", "lecture_script": "the lecture's script", "keras_io": "keras.io's way", "pytorch": "PyTorch"}
"""The sides of `make bench-peers`, and the titles of their columns."""

Row = dict[str, Any]


class Machine(TypedDict):
    """A kind of machine."""

    processor: str
    cores: int
    instructions: str
    memory_gib: int


class Results(TypedDict):
    """A file: the machine, the rows of `make bench` and those of `make bench-peers`."""

    machine: Machine
    rows: dict[str, Row]
    peers: dict[str, Row]


def this_machine() -> Machine:
    """Describes the machine that this process runs on."""
    machine = describe_machine()
    return {
        "processor": machine["processor"],
        "cores": machine["cores"],
        "instructions": machine["instruction_set"].upper().replace("_", "-"),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
    }


def file_name(machine: Machine) -> str:
    """Names the file of a kind of machine, for example `amd-epyc-family-25-model-17-2.json`."""
    processor = re.sub(r"\((r|tm)\)|[^a-z0-9]", " ", machine["processor"].lower())
    return "-".join([*processor.split(), str(machine["cores"])]) + ".json"


def provenance() -> Row:
    """The commit, the date (UTC) and the versions of the packages that compute."""
    # Results that this or an earlier run wrote change nothing of what is measured.
    changed = git("status", "--porcelain", "--", "src", "conf", "benchmarks", ":!benchmarks/results")
    found = versions()
    return {
        "commit": git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else ""),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "versions": {name: found[name] for name in COMPUTING if name in found},
    }


def read(folder: Path = RESULTS) -> list[Results]:
    """Reads the files of all kinds of machines, in the order of their instruction sets and processors."""
    found: list[Results] = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted(found, key=lambda results: (results["machine"]["instructions"], results["machine"]["processor"]))


def record(rows: dict[str, Row], peers: dict[str, Row], folder: Path = RESULTS) -> None:
    """Adds rows of `make bench` and of `make bench-peers` to this machine's file; its other rows stay."""
    machine = this_machine()
    path = folder / file_name(machine)
    results: Results = {"machine": machine, "rows": {}, "peers": {}}
    if path.is_file():
        results = json.loads(path.read_text(encoding="utf-8"))
    results["rows"].update(rows)
    results["peers"].update(peers)
    folder.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def write_pages() -> None:
    """Renews the tables of README.md and docs/benchmarks.md."""
    for page, text in pages(read()).items():
        page.write_text(text, encoding="utf-8")


def pages(results: list[Results]) -> dict[Path, str]:
    """The pages that show results, with their tables as `results` say."""
    readme, docs = ROOT / "README.md", ROOT / "docs" / "benchmarks.md"
    sections = {
        readme: {"make bench": table(results, README_ROWS)},
        docs: {
            "make bench": table(results) + "\n" + remarks(results, "rows"),
            "make bench-peers": peers_table(results),
        },
    }
    return {page: _with_sections(page.read_text(encoding="utf-8"), tables) for page, tables in sections.items()}


def _with_sections(page: str, sections: dict[str, str]) -> str:
    for command, section in sections.items():
        begin, end = f"<!-- {command} -->\n", f"<!-- /{command} -->\n"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{section}\n{end}{rest.partition(end)[2]}"
    return page


def table(results: list[Results], titles: Mapping[str, str] | None = None) -> str:
    """The table of `make bench`: a line for each row, a column for each kind of machine.

    Args:
        results: The result of `read`.
        titles: The rows to show and what to call them; by default all, by their names.

    Returns:
        Markdown. A cell has the ratio, and in parentheses the figures of the usual way and of ours.
    """
    columns = [(_title(found["machine"]), found["rows"]) for found in results if found["rows"]]
    units = {name: row["unit"] for _, rows in columns for name, row in rows.items()}
    lines = [
        [title, units.get(name, ""), *(_ratio(rows.get(name)) for _, rows in columns)]
        for name, title in (titles or {name: f"`{name}`" for name in units}).items()
    ]
    return _markdown(["row", "unit", *(title for title, _ in columns)], lines)


def peers_table(results: list[Results]) -> str:
    """The table of `make bench-peers`: a line for each row and kind of machine, a column for each side."""
    lines = [
        [f"`{name}`", row["unit"], _title(found["machine"]), *(_figure(row.get(peer)) for peer in PEERS)]
        for found in results
        for name, row in found["peers"].items()
    ]
    if not lines:
        return "Nothing has been measured yet.\n"
    return _markdown(["row", "unit", "machine", *PEERS.values()], lines) + "\n" + remarks(results, "peers")


def remarks(results: list[Results], kind: str) -> str:
    """A list of when each machine's rows were measured, with which versions, and of what rows say beside their figures.

    Args:
        results: The result of `read`.
        kind: `rows` or `peers`.
    """
    lines = []
    for found in results:
        rows: dict[str, Row] = found[kind]  # type: ignore[literal-required]
        if not rows:
            continue
        days = sorted({f"{row['date']} (`{row['commit']}`)" for row in rows.values()})
        versions = sorted({f"{name} {version}" for row in rows.values() for name, version in row["versions"].items()})
        about = f"{found['machine']['memory_gib']} GiB; measured on {', '.join(days)} with {', '.join(versions)}"
        lines.append(f"* {_title(found['machine'], ', ')}, {about}")
        lines += [f"    * `{name}`: {row['note']}" for name, row in rows.items() if row.get("note")]
    return "".join(f"{line}\n" for line in lines)


def _title(machine: Machine, separator: str = "<br>") -> str:
    return separator.join((machine["instructions"], machine["processor"], f"{machine['cores']} cores"))


def _ratio(row: Row | None) -> str:
    return f"{row['ratio']:.2f} ({_figure(row['usual'])} → {_figure(row['ours'])})" if row else ""


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _markdown(header: list[str], lines: Iterable[list[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, ["---"] * len(header), *lines))


if __name__ == "__main__":
    write_pages()
