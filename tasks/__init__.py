"""Tasks of `cci`. They run in CumulusCI's own environment, which has nothing of ours installed."""
