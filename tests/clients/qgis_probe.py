"""Opens layers and projects in a real QGIS and says what it found, as JSON on the last line.

Run by the system's Python: qgis_probe.py REQUEST.json, where the request names ``sources``
({name: {"provider", "uri", "wkb"}}), ``projects`` (paths) and ``out`` (folder for pictures).
"""

import json
import os
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsDataSourceUri,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRectangle,
    QgsRenderContext,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def colours(image):
    seen = set()
    for x in range(0, image.width(), 2):
        for y in range(0, image.height(), 2):
            seen.add(image.pixel(x, y))
    return len(seen)


def draw(layers, extent, path, size=(1000, 800)):
    """Draw layers, top first, as the project would, and return the number of colours."""
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(layers[0].crs())
    settings.setOutputSize(QSize(*size))
    settings.setOutputDpi(96)
    settings.setBackgroundColor(QColor("#ffffff"))
    settings.setExtent(extent)
    settings.setFlag(QgsMapSettings.Antialiasing)
    context = QgsExpressionContext()
    context.appendScope(QgsExpressionContextUtils.mapSettingsScope(settings))
    settings.setExpressionContext(context)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(str(path))
    return colours(image), settings.scale()


def zoomed(layer, scale=8000.0, size=(1000, 800)):
    """An extent around the layer's first feature at which everything is drawn."""
    for feature in layer.getFeatures():
        if feature.hasGeometry():
            centre = feature.geometry().boundingBox().center()
            width = scale * size[0] / 96 * 0.0254
            height = width * size[1] / size[0]
            return QgsRectangle(
                centre.x() - width / 2,
                centre.y() - height / 2,
                centre.x() + width / 2,
                centre.y() + height / 2,
            )
    return None


def label_texts(layer):
    """The label of each of the first features by its key."""
    expression = QgsExpression(layer.labeling().settings().fieldName)
    context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
    texts = {}
    for feature in layer.getFeatures():
        context.setFeature(feature)
        texts[feature["fid"]] = expression.evaluate(context)
        if len(texts) == 100:
            break
    return texts


def describe(layer, picture):
    if not layer.isValid():
        return {"valid": False, "error": layer.error().summary()}
    renderer = layer.renderer()
    fields = layer.fields()
    found = {
        "valid": True,
        "features": layer.featureCount(),
        "crs": layer.crs().authid(),
        "key": [fields[i].name() for i in layer.primaryKeyAttributes()],
        "renderer": renderer.type(),
        "used": sorted(renderer.usedAttributes(QgsRenderContext())),
        "legend": [item.label() for item in renderer.legendSymbolItems()],
        "aliases": {field.name(): field.alias() for field in fields},
        "comments": {field.name(): field.comment() for field in fields},
        "value_maps": [f.name() for f in fields if f.editorWidgetSetup().type() == "ValueMap"],
        "labels": layer.labelsEnabled(),
        "hidden_beyond": layer.minimumScale() if layer.hasScaleBasedVisibility() else None,
        "read_only": layer.readOnly(),
    }
    if renderer.type() == "graduatedSymbol":
        found["classes"] = {
            value: getattr(renderer.rangeForValue(value), "label", str)()
            for value in (-1.0, 0.0, 0.69996, 0.7, 0.70004, 1.0)
        }
    if layer.labelsEnabled():
        found["label_texts"] = label_texts(layer)
    extent = zoomed(layer)
    if extent is not None:
        found["colours"], _ = draw([layer], extent, picture)
    return found


def open_layer(name, source):
    if source["provider"] == "postgres":
        uri = QgsDataSourceUri(source["uri"])
        return QgsVectorLayer(uri.uri(False), name, "postgres")
    return QgsVectorLayer(source["uri"], name, source["provider"])


def open_project(path, out):
    project = QgsProject.instance()
    project.clear()
    found = {"read": project.read(path), "title": project.title(), "crs": project.crs().authid()}
    label = Path(path).stem
    every = list(project.mapLayers().values())
    layers = [layer for layer in every if layer.isSpatial()]
    found["forms"] = [layer.shortName() for layer in every if not layer.isSpatial()]
    found["layers"] = {
        layer.shortName(): describe(layer, out / f"{label}-{layer.shortName()}.png")
        for layer in layers
    }
    found["names"] = [layer.name() for layer in layers]
    found["sources"] = {layer.shortName(): layer.source() for layer in layers}
    found["view"] = project.viewSettings().defaultViewExtent().toString(0)
    found["themes"] = {}
    collection = project.mapThemeCollection()
    for number, theme in enumerate(sorted(collection.mapThemes())):
        order = project.layerTreeRoot().layerOrder()
        visible = set(collection.mapThemeVisibleLayerIds(theme))
        shown = [layer for layer in order if layer.id() in visible]
        extent = zoomed(shown[0], 12000.0) if shown and shown[0].isValid() else None
        entry = {"layers": [layer.shortName() for layer in shown]}
        if extent is not None:
            picture = out / f"{label}-theme-{number}.png"
            entry["colours"], entry["scale"] = draw(shown, extent, picture)
        found["themes"][theme] = entry
    view = project.viewSettings().defaultViewExtent()
    if not view.isEmpty():
        order = project.layerTreeRoot().checkedLayers()
        found["first_view"], _ = draw(order, QgsRectangle(view), out / f"{label}-first.png")
    return found


def main():
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    out = Path(request["out"])
    application = QgsApplication([], False)
    application.initQgis()
    answer = {"layers": {}, "projects": {}}
    for name, source in request.get("sources", {}).items():
        layer = open_layer(name, source)
        picture = out / f"{name.replace('/', '-')}.png"
        answer["layers"][name] = describe(layer, picture)
    for path in request.get("projects", []):
        answer["projects"][Path(path).name] = open_project(path, out)
    sys.stdout.write(json.dumps(answer, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()
    # QGIS may crash while Python tears its objects down.
    os._exit(0)


main()
