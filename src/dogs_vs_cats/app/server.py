"""The model server: MLflow's scoring application, and an address that takes photos as they are."""

from asyncio import timeout
from collections.abc import Sequence
from io import BytesIO
from threading import BoundedSemaphore
from time import monotonic
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from dogs_vs_cats.app.joint_predictions import JointPredictions, in_powers_of_two
from dogs_vs_cats.compute.parallel import cores
from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.inference.classifiers import Classifier
from dogs_vs_cats.inference.predictor import unpadded_predictor
from dogs_vs_cats.parameters.compute import BATCH_SIZE, ComputeParameters
from dogs_vs_cats.parameters.ingestion import DecodingOptions
from dogs_vs_cats.tracking.scoring import DEADLINE_EXCEEDED, INTERNAL_ERROR, max_seconds, scoring_app, status_of
from dogs_vs_cats.tracking.served_model import Refusal, read

MAX_CONNECTIONS = 128
"""While so many connections are open, requests get status 503."""

FIELD = "photos"
"""The field of a form that has the photos."""


class PhotoClassifier:
    """Answers for photos as inference does, from several threads at once."""

    def __init__(
        self,
        classifier: Classifier,
        compute: ComputeParameters,
        decoding: DecodingOptions,
        unsure_below: float | None,
    ):
        """Prepares the model, and checks its answers to noise.

        Args:
            classifier: The model.
            compute: How to compute.
            decoding: Options of the decoder.
            unsure_below: See `InferenceParameters`.

        Raises:
            ModelFileError, TrainingError: They aren't probabilities.
        """
        self._classifier = classifier
        self._shape = (classifier.image_size, classifier.image_size, classifier.channels)
        self._decoding = decoding
        self._unsure_below = unsure_below or 0
        predict, second = unpadded_predictor(classifier.with_features(), compute), 2
        if classifier.model.jit_compile if compute.jit_compile == "auto" else compute.jit_compile:
            predict, second = in_powers_of_two(predict), BATCH_SIZE  # other powers are compiled when they first occur
        # Two sizes, after which TensorFlow's function takes any.
        for size in (1, second):
            noise = np.random.default_rng(0).uniform(0, 255, (size, *self._shape))
            classifier.answers(predict(noise.astype(np.float32)))
        self._predict = JointPredictions(predict, BATCH_SIZE)
        self._decoders = BoundedSemaphore(cores())  # more would only need memory

    def answers(self, entries: Sequence[Any], names: Sequence[str]) -> list[dict[str, Any]]:
        """Classifies photos.

        Args:
            entries: Image files, as bytes or base64 text, or arrays of pixels.
            names: Their names in messages.

        Returns:
            For each, `predicted`, `probabilities`, `unsure` and `out_of_distribution`, which is None where the model
            doesn't know the distribution of its training images.

        Raises:
            Refusal: An entry isn't a usable image, the model doesn't answer with probabilities, or MLflow's application
                has given up waiting.
        """
        deadline = monotonic() + max_seconds()
        answers: list[dict[str, Any]] = []
        for start in range(0, len(entries), BATCH_SIZE):
            if monotonic() > deadline:
                raise Refusal("The answers took too long. Send fewer photos at once.", DEADLINE_EXCEEDED)
            part = slice(start, start + BATCH_SIZE)
            images = np.stack([self._read(*named) for named in zip(entries[part], names[part], strict=True)])
            try:
                probabilities, unfamiliar = self._classifier.answers(self._predict(images))
            except ProjectError as error:
                raise Refusal(error.message, INTERNAL_ERROR) from None
            answers += map(self._answer, probabilities.tolist(), unfamiliar)
        return answers

    def _read(self, entry: Any, name: str) -> np.ndarray:
        with self._decoders:
            return read(entry, name, self._shape, self._decoding)

    def _answer(self, probabilities: list[float], unfamiliar: bool | None) -> dict[str, Any]:
        classes, highest = self._classifier.classes, max(probabilities)
        return {
            "predicted": classes[probabilities.index(highest)],
            "probabilities": dict(zip(classes, probabilities, strict=True)),
            "unsure": highest < self._unsure_below,
            "out_of_distribution": unfamiliar,
        }


def _error(status: int, code: str, line: str, **headers: str) -> JSONResponse:
    """The answer to a request that is refused, in MLflow's form."""
    return JSONResponse({"error_code": code, "message": line}, status, headers)


class _WholeRequests:
    """Receives requests whole, refuses those too large or too slow, and forgets those whose sender hangs up."""

    def __init__(self, application: ASGIApp, max_bytes: int, seconds: int):
        self._application = application
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        try:
            async with timeout(self._seconds):
                body = await self._body(receive)
        except TimeoutError:
            line = f"The request hasn't arrived within {self._seconds} seconds. Send fewer photos at once."
            await _error(408, "REQUEST_TIMEOUT", line, connection="close")(scope, receive, send)
            return
        if body is None:
            return
        if len(body) > self._max_bytes:
            line = (
                f"The request is larger than {self._max_bytes:,} bytes. Send fewer photos at once, or start the server "
                "with a larger --max-bytes."
            )
            await _error(413, "REQUEST_TOO_LARGE", line)(scope, receive, send)
            return
        received: list[Message] = [{"type": "http.request", "body": body}]

        async def again() -> Message:
            return received.pop() if received else await receive()

        await self._application(scope, again, send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The body, or at least so much of it that it is too large; None if the sender hangs up."""
        body, more = bytearray(), True
        while more:  # to its end, or clients don't read the answer
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            if len(body) <= self._max_bytes:
                body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body)


def build(photos: PhotoClassifier, max_bytes: int) -> FastAPI:
    """Builds the application: MLflow's addresses, and `/classify`.

    `/classify` takes one photo as the body of a request, or several in a form, as files in the field `photos`.

    Args:
        photos: Answers.
        max_bytes: Size limit of a request.
    """

    def invocations(entries: list[Any]) -> list[dict[str, Any]]:
        answers = photos.answers(entries, [f"inputs[{number}]" for number in range(len(entries))])
        return [{name: answer[name] for name in ("predicted", "probabilities")} for answer in answers]

    application = scoring_app(invocations)
    application.add_middleware(_WholeRequests, max_bytes=max_bytes, seconds=max_seconds())

    def answer(content_type: str, body: bytes) -> list[dict[str, Any]]:
        received = _received(content_type, body)
        return photos.answers(list(received.values()), list(received))

    @application.post("/classify")
    async def classify(request: Request) -> JSONResponse:
        answers = await run_in_threadpool(answer, request.headers.get("content-type", ""), await request.body())
        return JSONResponse({"predictions": answers})

    @application.exception_handler(Refusal)
    def refused(request: Request, refusal: Refusal) -> JSONResponse:
        return _error(status_of(refusal), refusal.error_code, refusal.message)

    return application


def _received(content_type: str, body: bytes) -> dict[str, bytes]:
    """The photos of a request, by their names in messages."""
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        return {"The request": body}
    try:
        # In memory; by default, larger files would go to the disk.
        parser = FormDataParser(lambda *_, **__: BytesIO(), silent=False)
        _, fields, files = parser.parse(BytesIO(body), kind, len(body), options)
    except ValueError as error:
        raise Refusal(f"The request isn't a valid form: {error}") from None
    if fields or [*files] != [FIELD]:
        sent = ", ".join([*(f"{name} without a file" for name in fields), *files]) or "none"
        raise Refusal(f"A form has photos as files in the field {FIELD}: curl --form {FIELD}=@PHOTO. Sent were: {sent}")
    return {f"{FIELD}[{i}] ({file.filename})": file.read() for i, file in enumerate(files.getlist(FIELD))}
