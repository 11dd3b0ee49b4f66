"""What `performance_estimate.py` estimates: predictions of models on data that shifted."""
