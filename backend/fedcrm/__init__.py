"""FedCRM: organisations train one predictive model together without pooling their records."""

__version__ = "0.1.0"
