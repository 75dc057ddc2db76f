"""Fills in the table of corrections in a real QGIS, as a person does: correction_probe.py PROJECT ROWS.json.

ROWS is a list of {column: value}. Prints for each whether it was saved, and what QGIS said.
"""

import json
import os
import sys
from pathlib import Path

from qgis.core import QgsApplication, QgsFeature, QgsProject, QgsVectorLayerUtils


def fill_in(layer, row):
    """Add one line and save it; what cannot be saved is taken back."""
    layer.startEditing()
    values = {layer.fields().indexOf(name): value for name, value in row.items()}
    feature = QgsVectorLayerUtils.createFeature(layer, attributes=values)
    assert isinstance(feature, QgsFeature)
    layer.addFeature(feature)
    saved = layer.commitChanges()
    said = " ".join(layer.commitErrors())
    if not saved:
        layer.rollBack()
    return {"saved": saved, "said": said}


def main():
    application = QgsApplication([], False)
    application.initQgis()
    QgsApplication.messageLog().messageReceived.connect(
        lambda text, tag, _level: print(tag, text, file=sys.stderr)
    )
    project = QgsProject.instance()
    project.read(sys.argv[1])
    layer = project.mapLayer("diqi_correction")
    rows = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    answer = {
        "valid": layer.isValid(),
        "read_only": layer.readOnly(),
        "aliases": {f.name(): f.alias() for f in layer.fields()},
        "rows": [fill_in(layer, row) for row in rows],
    }
    layer.startEditing()
    layer.deleteFeatures([f.id() for f in layer.getFeatures()])
    if not layer.commitChanges():
        layer.rollBack()
    print(json.dumps(answer, ensure_ascii=False))
    sys.stdout.flush()
    # QGIS may crash while Python tears its objects down.
    os._exit(0)


main()
