"""All benchmarks: prints one table, and writes it to `docs/benchmarks.md` and `benchmarks/results.json`.

    make bench

Name rows to measure only them; the others keep what was measured before.
"""

import json
import logging
import platform
import sys
import time
from collections.abc import Callable

import material
import psutil
from material import ROOT
from result import Result
from turns import usual_and_ours

RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- make bench -->\n", "<!-- /make bench -->\n"


def _rows() -> dict[tuple[str, ...], Callable[[], dict[str, Result]]]:
    """What measures which rows. Imported late: whole runs are measured while this process is small."""
    import memory
    import whole_runs

    def augmentation() -> dict[str, Result]:
        from augmentation import augmentation as measure

        return {"augmentation": measure()}

    def decoding() -> dict[str, Result]:
        from decoding import decode_resize

        return {"decode_resize": decode_resize()}

    def training() -> dict[str, Result]:
        from training import training_with_augmentation

        return {"training_with_augmentation": training_with_augmentation()}

    def update() -> dict[str, Result]:
        from steps import optimizer_update

        with usual_and_ours() as (_, our_side):
            return {"optimizer_update": our_side(optimizer_update)}

    def folding() -> dict[str, Result]:
        from steps import batch_normalisation

        with usual_and_ours() as (_, our_side):
            return {"batch_normalisation": our_side(batch_normalisation)}

    def features() -> dict[str, Result]:
        from features import extraction

        return extraction()

    def epoch() -> dict[str, Result]:
        from features import approach2_epoch

        return {"approach2_epoch": approach2_epoch()}

    return {
        ("lecture_run",): lambda: {"lecture_run": whole_runs.lecture_run()},
        # Before this process imports Keras: a process that it starts counts its parent's memory as its own peak.
        ("ingestion_memory",): lambda: {"ingestion_memory": memory.ingestion_memory()},
        ("orchestration_overhead",): lambda: {"orchestration_overhead": whole_runs.orchestration_overhead()},
        ("dvc_repro_unchanged",): lambda: {"dvc_repro_unchanged": whole_runs.dvc_repro_unchanged()},
        ("augmentation",): augmentation,
        ("decode_resize",): decoding,
        ("training_with_augmentation",): training,
        ("optimizer_update",): update,
        ("batch_normalisation",): folding,
        ("vgg16_extraction", "extraction_cached"): features,
        ("approach2_epoch",): epoch,
    }


def _table(results: dict[str, Result]) -> str:
    lines = ["| row | usual | ours | ratio | unit | machine | |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for name, row in results.items():
        figures = " | ".join(f"{row[key]:,.3g}" if row[key] < 1000 else f"{row[key]:,.0f}" for key in ("usual", "ours"))
        lines.append(
            f"| `{name}` | {figures} | {row['ratio']:.2f} | {row['unit']} | {row['machine']} | {row.get('note', '')} |"
        )
    return "\n".join(lines) + "\n"


def _instructions() -> str:
    """What the processor has of what decides how fast it trains."""
    from dogs_vs_cats.compute.precision import processor_flags

    known = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
    found = next((name for name in known if name in processor_flags()), platform.machine())
    return found.upper().replace("_", "-")


def main(wanted: list[str]) -> None:
    """Measures, and writes after each row, so that an interrupted run loses nothing."""
    material.check()
    rows = _rows()
    known = [name for names in rows for name in names]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"there is no row {unknown[0]!r}; there are {', '.join(known)}")
    logging.disable(logging.WARNING)
    machine = f"{psutil.cpu_count()} cores ({_instructions()}), {psutil.virtual_memory().total / 2**30:.0f} GiB"
    results: dict[str, Result] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    for names, measure in rows.items():
        if wanted and not set(wanted) & set(names):
            continue
        print(f"{', '.join(names)} …", end="", flush=True)
        begin = time.perf_counter()
        results |= {name: {**row, "machine": machine} for name, row in measure().items()}
        print(f" {time.perf_counter() - begin:.0f} s", flush=True)
        results = {name: results[name] for name in known if name in results}
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        section = f"\n{_table(results)}\n"
        PAGE.write_text(f"{before}{BEGIN}{section}{END}{after}", encoding="utf-8")
    print(_table(results))


if __name__ == "__main__":
    main(sys.argv[1:])
