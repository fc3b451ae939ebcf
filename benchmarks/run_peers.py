"""This project beside others: the same photos, networks and batch sizes, each side in a process of its own.

make bench-peers
make bench-peers PEERS="--only=training --only=decode_resize"
make bench-peers PEERS="--only=training --side=pytorch --quick"
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import machines
import material

from dogs_vs_cats.compute.precision import processor_gains_from_bfloat16
from dogs_vs_cats.compute.processor import cpuinfo

SIDES = Path(__file__).parent / "peers"

UNITS = {
    "training": "training images/s",
    "vgg16_extraction": "images/s",
    "decode_resize": "images/s",
    "lecture_run": "s",
}
"""The rows, which are functions of each side, and their units."""

WHOLE = {"training": 3000, "epochs": 2, "images": 256, "decoded": 400, "rounds": 3}
QUICK = {"training": 60, "epochs": 1, "images": 32, "decoded": 128, "rounds": 1}


@click.command(help="Measure this project beside others. The rows are sized for an hour on two cores with AVX2.")
@click.option("--only", multiple=True, type=click.Choice(list(UNITS)), help="A row; by default all.")
@click.option("--side", multiple=True, type=click.Choice(list(machines.PEERS)), help="A side; by default all.")
@click.option("--quick", is_flag=True, help="Try with few photos, and record nothing.")
def main(only: tuple[str, ...], side: tuple[str, ...], quick: bool) -> None:
    """Measures rows. Each is recorded at once if all sides were measured, so that an interruption loses nothing."""
    material.check()
    logging.disable(logging.WARNING)
    sizes = QUICK if quick else WHOLE
    provenance = machines.provenance()
    with tempfile.TemporaryDirectory() as name:
        task = {**_material(Path(name), sizes), **sizes, "bfloat16": processor_gains_from_bfloat16(cpuinfo())}
        for row in only or UNITS:
            figures = {}
            for peer in side or machines.PEERS:
                print(f"{row}, {machines.PEERS[peer]} …", end="", flush=True)
                figures[peer] = _measured(peer, row, task)
                print(f" {figures[peer]['seconds']:.4g} s", flush=True)
            result = {**result_of(row, figures, task), **provenance}
            for measured in figures.values():
                result["versions"] = {**result["versions"], **measured["versions"]}
            if quick or side:
                print(json.dumps(result))
            else:
                machines.record({}, {row: result})
                machines.write_pages()
    print(machines.peers_table(machines.read()))


def result_of(row: str, figures: dict[str, Any], task: dict[str, Any]) -> machines.Row:
    """A row's figures in the table: rates, or seconds of the whole lecture run, and the accuracies reached.

    Args:
        row: Its name.
        figures: Measurements of each side: `seconds`, and `accuracies` where it trained.
        task: The task of all sides.
    """
    images = {
        "training": task["training"] * task["epochs"],
        "vgg16_extraction": task["images"],
        "decode_resize": task["decoded"],
    }.get(row)
    shown = {peer: images / found["seconds"] if images else found["seconds"] for peer, found in figures.items()}
    accuracies = [
        f"{machines.PEERS[peer]} {' '.join(f'{accuracy:.3f}' for accuracy in found['accuracies'])}"
        for peer, found in figures.items()
        if "accuracies" in found
    ]
    note = f"validation accuracies: {', '.join(accuracies)}" if accuracies else ""
    return {**shown, "unit": UNITS[row], "note": note}


def _measured(peer: str, row: str, task: dict[str, Any]) -> dict[str, Any]:
    """Runs a row of one side in a process of its own, on the processor."""
    ours = peer == "ours"
    python = sys.executable if ours else str(machines.ROOT / ".venv-peers" / "bin" / "python")
    folders = [SIDES.parent, *([machines.ROOT / "src"] if ours else [])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    begin = time.perf_counter()
    done = subprocess.run(
        [python, str(SIDES / f"{peer}.py"), row, json.dumps(task)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    whole = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{peer} failed at {row}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return {"seconds": whole, **json.loads(done.stdout.splitlines()[-1])}


def _material(folder: Path, sizes: dict[str, int]) -> dict[str, str]:
    """Writes the folders of photos that all sides read, and says where everything is."""
    half, sixth = sizes["training"] // 2, sizes["training"] // 6
    material.class_folders(material.PHOTOS, folder / "photos" / "train", slice(half))
    material.class_folders(material.PHOTOS, folder / "photos" / "validation", slice(half, half + sixth))
    material.class_folders(material.ORIGINALS, folder / "originals", slice(sizes["decoded"] // 2))
    return {
        "photos": str(folder / "photos"),
        "originals": str(folder / "originals"),
        "archive": str(material.PHOTOS),
        "weights": str(material.MOBILENET),
    }


if __name__ == "__main__":
    main()
