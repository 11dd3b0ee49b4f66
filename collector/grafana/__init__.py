"""Grafana's dashboards as code: `python -m collector.grafana.generate` writes `dashboards/*.json`; a test compares.

`boards` has one module a dashboard, and some that these are made of. What they share: `names` (every metric and label),
`promql` (shapes of queries), `look`, `targets`, `panels` and `tables`, `logs` (panels over Elasticsearch and Jaeger),
`variables`, `board` (rows of panels, and all around them). `expectations` says of each panel which traffic fills it;
`provisioning/` is what Grafana reads at its start.
"""
