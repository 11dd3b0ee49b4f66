"""The directory that `bento-observe run` puts in front of PYTHONPATH; see `sitecustomize`."""
