"""Reads layers with Fiona and says what it found, as JSON on the last line.

Run in a process of its own: fiona_probe.py REQUEST.json, where the request is a list of
{"path", "layer", "encoding"}; layer and encoding may be null.
"""

import json
import sys
from pathlib import Path

import fiona


def describe(source):
    with fiona.open(
        source["path"], layer=source.get("layer"), encoding=source.get("encoding")
    ) as collection:
        features = list(collection)
        return {
            "driver": collection.driver,
            "epsg": collection.crs.to_epsg() if collection.crs else None,
            "geometry_type": collection.schema["geometry"],
            "types": dict(collection.schema["properties"]),
            "ids": [feature.id for feature in features],
            "rows": [list(feature.properties.values()) for feature in features],
            "shapes": [
                feature.geometry and feature.geometry.__geo_interface__ for feature in features
            ],
        }


def main():
    # both bring a GDAL of their own
    assert "pyogrio" not in sys.modules
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    answer = [
        {"layers": fiona.listlayers(source["path"]), **describe(source)} for source in request
    ]
    sys.stdout.write(json.dumps(answer, ensure_ascii=False, default=str) + "\n")


main()
