"""What is found out about a request's cost: by kind of telemetry, by way of serving, and by function."""
