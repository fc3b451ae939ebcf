"""The page itself, in Gradio."""

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from dogs_vs_cats.app.answers import Answerer, render

# Gradio reads this when it is imported; the page works without any network.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import click
import gradio as gr

MAX_PHOTOS = 20
"""Files looked at in one go."""

MAX_FILE_SIZE = "20mb"
"""Larger files are refused while they are sent."""

NOTHING_YET = '<p class="empty">Nothing yet: the answers appear here.</p>'


def build(answerer: Answerer, classes: Sequence[str], models: Sequence[str]) -> gr.Blocks:
    """Lays the page out.

    Args:
        answerer: Answers for one photo.
        classes: Names of the classes, for the heading.
        models: Names of the models, for the introduction.
    """

    def answer(paths: list[str] | None) -> str:
        if not paths:
            return NOTHING_YET
        looked_at = paths[:MAX_PHOTOS]
        photos = [answerer.photo(Path(path).name, Path(path).read_bytes()) for path in looked_at]
        return render(photos, len(paths) - len(looked_at))

    question = f"{', '.join(classes[:-1]).capitalize()} or {classes[-1]}?"
    # An hour after they were sent, photos are deleted, also while the page stays open.
    with gr.Blocks(title=question, analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.HTML(
            f'<div class="intro"><h1>{question}</h1><p>Drop photos. Each model ({", ".join(models)}) says what it '
            "sees, how sure it is, and, by Grad-CAM, which parts of the photo speak for its answer: the brighter, the "
            "more. The photos stay on this computer.</p></div>",
        )
        files = gr.File(label="Photos", file_count="multiple", type="filepath", height=170, elem_id="photos")
        answers = gr.HTML(NOTHING_YET, elem_id="answers")
        files.change(answer, files, answers, api_visibility="private", show_progress="full")
    return page


def serve(page: gr.Blocks, host: str, port: int | None) -> None:
    """Serves the page until it is interrupted.

    Args:
        page: See `build`.
        host: Address to listen on.
        port: TCP port; None takes the first free one from 7860 on.
    """
    _, address, _ = page.queue(max_size=16).launch(
        quiet=True,
        prevent_thread_lock=True,
        server_name=host,
        server_port=port,
        share=False,
        ssr_mode=False,
        max_file_size=MAX_FILE_SIZE,
        footer_links=[],
        css=(resources.files("dogs_vs_cats.app") / "templates" / "page.css").read_text(encoding="utf-8"),
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
    )
    click.echo(f"Open {address} (Ctrl-C ends it)")
    page.block_thread()
