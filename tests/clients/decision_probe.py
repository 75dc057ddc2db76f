"""Decides on questions of the review queue in a real QGIS: decision_probe.py PROJECT ROWS.json.

ROWS is a list of {column: value}; enterprise and parcel, where they are not given, come from the form of the
first question that the sub-form belongs to. Prints what the project knows of the relation, and for each row
whether it was saved, what QGIS said, and what the question's sub-form then holds.
"""

import json
import os
import sys
from pathlib import Path

import qgis.gui
from qgis.core import (
    QgsApplication,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsFeature,
    QgsProject,
    QgsVectorLayerUtils,
)
from qgis.PyQt.QtWidgets import QToolButton


def form_of(question, layer):
    """What the sub-form of a question knows: the question's own form above it, as QGIS gives it."""
    context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
    context.appendScope(QgsExpressionContextUtils.parentFormScope(question))
    return context


def sub_forms(queue, question):
    """The relations that the form of a question shows, and whether their lines can be edited there."""
    form = qgis.gui.QgsAttributeForm(queue, question)
    found = form.findChildren(qgis.gui.QgsRelationEditorWidget)
    return [
        {
            "relation": widget.relation().id(),
            "can_edit": widget.findChild(QToolButton, "mToggleEditingButton").isEnabled(),
        }
        for widget in found
    ]


def fill_in(layer, row, question):
    """Add one line and save it; what cannot be saved is taken back."""
    layer.startEditing()
    values = {layer.fields().indexOf(name): value for name, value in row.items()}
    feature = QgsVectorLayerUtils.createFeature(
        layer, attributes=values, context=form_of(question, layer)
    )
    assert isinstance(feature, QgsFeature)
    layer.addFeature(feature)
    saved = layer.commitChanges()
    said = " ".join(layer.commitErrors())
    if not saved:
        layer.rollBack()
    return {"saved": saved, "said": said}


def main():
    application = QgsApplication([], True)
    application.initQgis()
    QgsApplication.messageLog().messageReceived.connect(
        lambda text, tag, _level: print(tag, text, file=sys.stderr)
    )
    project = QgsProject.instance()
    project.read(sys.argv[1])
    layer, queue = project.mapLayer("diqi_decision"), project.mapLayer("diqi_review_queue")
    relation = project.relationManager().relation("diqi_review_queue_decision")
    rows = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    question = next(queue.getFeatures())
    answer = {
        "valid": layer.isValid() and queue.isValid(),
        "relation": relation.isValid(),
        "of": [r.id() for r in project.relationManager().referencedRelations(queue)],
        "sub_forms": sub_forms(queue, question),
        "read_only": [layer.readOnly(), queue.readOnly()],
        "aliases": {f.name(): f.alias() for f in layer.fields()},
        "widgets": {f.name(): f.editorWidgetSetup().type() for f in layer.fields()},
        "question": {name: question[name] for name in ("enterprise_code", "parcel_code")},
        "rows": [fill_in(layer, row, question) for row in rows],
    }
    layer.reload()
    answer["sub_form"] = [
        {name: str(feature[name]) for name in ("kind", "enterprise_code", "parcel_code", "author")}
        for feature in relation.getRelatedFeatures(question)
    ]
    print(json.dumps(answer, ensure_ascii=False, default=str))
    sys.stdout.flush()
    # QGIS may crash while Python tears its objects down.
    os._exit(0)


main()
