"""The data sources, by the uids under which `provisioning/datasources` makes them."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.dashboard import DataSourceRef

__all__ = ["ELASTICSEARCH", "JAEGER", "PROMETHEUS"]

PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="prometheus")
JAEGER: Final = DataSourceRef(type_val="jaeger", uid="jaeger")
ELASTICSEARCH: Final = DataSourceRef(type_val="elasticsearch", uid="elasticsearch")
