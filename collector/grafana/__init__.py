"""Grafana's dashboards as code: `python -m collector.grafana.generate` writes `dashboards/*.json`; a test compares.

`boards` has one module a dashboard. What they share: `names` (every metric and label), `promql` (shapes of queries),
`panels`, `logs` (panels over Elasticsearch and Jaeger), `variables`, `board` (a dashboard out of rows of panels).
`expectations` says of each panel which traffic fills it. `provisioning/` is what Grafana reads at its start.
"""
