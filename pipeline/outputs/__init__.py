"""What leaves the database: GeoPackage, QGIS styles and project, report."""
