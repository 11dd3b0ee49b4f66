"""What `feature_statistics.py` does with the aggregator: the data, the cases, and a look at its inside."""
