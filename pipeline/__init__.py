"""Land-enterprise fusion for a county on PostGIS."""

__version__ = "0.1.0"
