"""What the aggregator is compared with: some in this process, some in processes and environments of their own."""
