"""The base class of all groups of parameters."""

from pydantic import BaseModel, ConfigDict


class ParameterGroup(BaseModel):
    """One top-level block of `parameters*.yml`: immutable, and strict about names and types.

    A misspelt name is an error; numbers are finite, and are not made of strings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
