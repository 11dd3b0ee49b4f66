"""A fleet's series for the benchmark of the dashboards."""
