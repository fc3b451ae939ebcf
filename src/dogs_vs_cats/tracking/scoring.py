"""The application that `mlflow models serve` runs, for answers that are given in this process."""

from collections.abc import Callable
from typing import Any, cast

from fastapi import FastAPI
from mlflow.environment_variables import MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT
from mlflow.exceptions import ERROR_CODE_TO_HTTP_STATUS
from mlflow.models import Model
from mlflow.protos.databricks_pb2 import DEADLINE_EXCEEDED, INTERNAL_ERROR
from mlflow.pyfunc import PyFuncModel, scoring_server

from dogs_vs_cats.tracking.served_model import Refusal

__all__ = ["DEADLINE_EXCEEDED", "INTERNAL_ERROR", "max_seconds", "scoring_app", "status_of"]

Answer = Callable[[list[Any]], list[dict[str, Any]]]

_SIGNATURE = {"signature": {"inputs": '[{"type": "any", "required": true}]'}, "is_signature_from_type_hint": True}
"""The signature of a logged model, as in its file MLmodel: MLflow passes on any list as it is."""


class _Answers:
    """The part of a loaded model that MLflow's application uses."""

    def __init__(self, answer: Answer):
        self.metadata = Model.from_dict(_SIGNATURE)
        self._answer = answer

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        if not isinstance(data, list):
            raise Refusal('inputs isn\'t a list. Send JSON with an entry for each image: {"inputs": [IMAGE, IMAGE]}')
        return self._answer(data)


def max_seconds() -> int:
    """The time after which MLflow's application gives up an answer, with status 504."""
    return int(cast(Any, MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT).get())


def status_of(refusal: Refusal) -> int:
    """The HTTP status that MLflow gives a refusal."""
    return int(ERROR_CODE_TO_HTTP_STATUS[refusal.error_code])


def scoring_app(answer: Answer) -> FastAPI:
    """Builds MLflow's application, with its addresses `/invocations`, `/ping`, `/health` and `/version`.

    Args:
        answer: Called in several threads with the `inputs` of a request; returns a prediction for each.
    """
    return cast(FastAPI, scoring_server.init(cast(PyFuncModel, _Answers(answer))))
