"""A service that has something to show on nearly every panel, and traffic for it: normal, drifted, broken, failing."""
