"""The whole names of what tokens carry cut."""

from __future__ import annotations

from bento_observe.feedback._token import Context, carried_name

__all__ = ["OwnNames"]


class OwnNames:
    """Those of this worker: its `model` and that one's `version`, empty where there is none, and its APIs.

    So that a model has one name in telemetry, whether labels are counted or anything else.
    """

    def __init__(self, model: str, version: str) -> None:
        self._models = {carried_name(model): model}
        self._versions = {carried_name(version): version}
        self._apis: dict[str, str] = {}

    def add_api(self, api: str) -> None:
        """One more API; call before ids with it are read."""
        self._apis[carried_name(api)] = api

    def whole(self, context: Context) -> Context:
        """A token's context, in which what is ours has its whole name."""
        api, model, version, slices = context
        return Context(
            self._apis.get(api, api), self._models.get(model, model), self._versions.get(version, version), slices
        )
