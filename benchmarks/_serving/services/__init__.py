"""What is served: a module a surface of BentoML, all with the same model behind them where they have one."""
