"""A wine classifier served with BentoML and observed with bento_observe: train, service, traffic."""
