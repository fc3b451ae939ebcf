"""An environment without a store."""

import pytest

from tests.conftest import TRACKING_VARIABLES


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the address that MLflow has left in the environment while fixtures of a module were made."""
    for name in TRACKING_VARIABLES:
        monkeypatch.delenv(name, raising=False)
