"""Prometheus' configuration, and what writes its rules: each `generate*.py` and `performance.py` one file of them."""
