"""References in BentoML's model store, next to the model they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from bento_observe.features.reference._errors import BadReferenceError

__all__ = ["FILE", "path_in_model"]

FILE: Final = "bento_observe.reference.json"
"""What a reference is called in a model's folder."""


def path_in_model(tag: Any) -> Path:
    """Where the reference of the model `tag`, a string or a `bentoml.Tag`, lies or would lie.

    Raises:
        BadReferenceError: there is no such model.
    """
    import bentoml

    try:
        return Path(bentoml.models.get(tag).path_of(FILE))
    except (bentoml.exceptions.BentoMLException, ValueError) as error:
        problem = "there is no such model in BentoML's model store"
        if not isinstance(error, bentoml.exceptions.NotFound):
            problem = f"no model in BentoML's model store ({error})"
        raise BadReferenceError(f"of model {tag}", problem, "`bentoml models list` shows those that are") from None
