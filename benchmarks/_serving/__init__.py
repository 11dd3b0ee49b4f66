"""One BentoML service under four kinds of telemetry, really served, and the means to load and measure it."""
