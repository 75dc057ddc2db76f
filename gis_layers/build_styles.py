"""Write the layer styles and the project template with a real QGIS.

Run by ``make styles`` with the system's Python, which has the ``qgis`` package (QGIS 3.22 or
newer). Reads the .toml files beside it; writes ``<layer>.qml`` and ``project.qgs.in``. Whatever
QGIS makes up anew each time (layer ids, dates, paths) is replaced, so the same input gives the
same files.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# Qt writes XML attributes in the order of its hash table.
os.environ["QT_HASH_SEED"] = "0"

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsDefaultValue,
    QgsEditorWidgetSetup,
    QgsFeatureRenderer,
    QgsFeatureRequest,
    QgsFieldConstraints,
    QgsFillSymbol,
    QgsGraduatedSymbolRenderer,
    QgsLayerTree,
    QgsLayerTreeModel,
    QgsMapLayer,
    QgsMapThemeCollection,
    QgsMarkerSymbol,
    QgsPalLayerSettings,
    QgsProject,
    QgsProperty,
    QgsReadWriteContext,
    QgsRectangle,
    QgsReferencedRectangle,
    QgsRelation,
    QgsRendererCategory,
    QgsRendererRange,
    QgsSymbol,
    QgsSymbolLayer,
    QgsTextBufferSettings,
    QgsTextFormat,
    QgsUnitTypes,
    QgsVectorLayer,
    QgsVectorLayerSimpleLabeling,
)
from qgis.PyQt.QtGui import QColor, QFont
from qgis.PyQt.QtXml import QDomDocument

HERE = Path(__file__).resolve().parent
# The project is drawn up in one CRS; ``pipeline.outputs.project`` puts in the county's.
DRAFT_CRS = "EPSG:4549"
# The first that is installed is used: Windows, then the free fonts of Linux.
FONTS = ["Microsoft YaHei", "Noto Sans CJK SC", "WenQuanYi Micro Hei"]
LABEL_COLOUR = "#222222"
OTHERWISE_COLOUR = "#dcdcdc"
FAINT_ALPHA = 50
# Tables that people fill in, in the order of the legend.
FORMS = ("correction", "decision")
CATEGORIES = (
    QgsMapLayer.LayerConfiguration
    | QgsMapLayer.Symbology
    | QgsMapLayer.Labeling
    | QgsMapLayer.Fields
    | QgsMapLayer.Forms
    | QgsMapLayer.MapTips
    | QgsMapLayer.AttributeTable
    | QgsMapLayer.Rendering
)

Table = dict[str, Any]


def read_layers() -> dict[str, Table]:
    """Return the layer descriptions in the order of the legend, top first."""
    layers = {}
    for path in sorted(HERE.glob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if "geometry" in table:
            layers[path.stem] = table
    return dict(sorted(layers.items(), key=lambda item: item[1]["order"]))


def symbol(geometry: str, colour: str, style: Table) -> QgsSymbol:
    """Return a plain marker or a plain fill with a thin darker border."""
    if geometry == "Point":
        return QgsMarkerSymbol.createSimple(
            {
                "name": style.get("marker", "circle"),
                "color": colour,
                "size": str(style.get("size", 2.2)),
                "outline_color": "#ffffff",
                "outline_width": "0.2",
            }
        )
    border = QColor(style.get("border", QColor(colour).darker(150).name()))
    made = QgsFillSymbol.createSimple(
        {
            "color": colour,
            "outline_color": border.name(),
            "outline_width": str(style.get("border_width", 0.15)),
            "joinstyle": "miter",
        }
    )
    fill = QColor(colour)
    fill.setAlphaF(style.get("opacity", 1.0))
    made.symbolLayer(0).setFillColor(fill)
    if "faint_within" in style:
        alpha = f"if(@map_scale <= {style['faint_within']}, {FAINT_ALPHA}, {fill.alpha()})"
        made.symbolLayer(0).setDataDefinedProperty(
            QgsSymbolLayer.PropertyFillColor,
            QgsProperty.fromExpression(f"set_color_part(@symbol_color, 'alpha', {alpha})"),
        )
    return made


def renderer(table: Table, codes: dict[str, Table]) -> QgsFeatureRenderer:
    """Return the renderer that the style table asks for."""
    style, geometry = table["style"], table["geometry"]
    if style["kind"] == "graduated":
        ranges = [
            QgsRendererRange(
                step["lower"], step["upper"], symbol(geometry, step["colour"], style), step["label"]
            )
            for step in style["ranges"]
        ]
        graduated = QgsGraduatedSymbolRenderer(style["expression"], ranges)
        if "draw_last" in style:
            clause = QgsFeatureRequest.OrderByClause(style["draw_last"], True)
            graduated.setOrderBy(QgsFeatureRequest.OrderBy([clause]))
            graduated.setOrderByEnabled(True)
        return graduated
    labels = codes[table["columns"][style["column"]]["values"]]
    categories = [
        QgsRendererCategory(code, symbol(geometry, colour, style), labels[code])
        for code, colour in style["colours"].items()
    ]
    if "otherwise" in style:
        grey = symbol(geometry, style.get("otherwise_colour", OTHERWISE_COLOUR), style)
        categories.append(QgsRendererCategory(None, grey, style["otherwise"]))
    return QgsCategorizedSymbolRenderer(style.get("expression", style["column"]), categories)


def labeling(label: Table, geometry: str) -> QgsVectorLayerSimpleLabeling:
    """Return labels with a white halo, drawn only when zoomed in far enough."""
    text = QgsTextFormat()
    text.setFont(QFont(FONTS[0]))
    text.setFamilies(FONTS[1:])
    text.setSize(label["size"])
    text.setSizeUnit(QgsUnitTypes.RenderPoints)
    text.setColor(QColor(LABEL_COLOUR))
    halo = QgsTextBufferSettings()
    halo.setEnabled(True)
    halo.setSize(0.7)
    halo.setColor(QColor("#ffffff"))
    text.setBuffer(halo)
    settings = QgsPalLayerSettings()
    settings.setFormat(text)
    settings.fieldName = label["expression"]
    settings.isExpression = True
    settings.multilineAlign = QgsPalLayerSettings.MultiCenter
    if geometry == "Point":
        settings.placement = QgsPalLayerSettings.AroundPoint
        settings.dist = 1.0
    else:
        settings.placement = QgsPalLayerSettings.Horizontal
        settings.centroidInside = True
    if "within" in label:
        settings.scaleVisibility = True
        settings.minimumScale = float(label["within"])
        settings.maximumScale = 0.0
    return QgsVectorLayerSimpleLabeling(settings)


def map_tip(columns: Table) -> str:
    """Return the hover text: every column but the row number and the geometry."""
    rows = "".join(
        f'<tr><td>{column["alias_zh"]}</td><td>[% represent_value("{name}") %]</td></tr>'
        for name, column in columns.items()
        if name not in {"fid", "geom"}
    )
    return f"<b>[% @layer_name %]</b><table>{rows}</table>"


def make_layer(name: str, table: Table, codes: dict[str, Table]) -> QgsVectorLayer:
    """Return a layer without rows that carries the style, aliases and value lists."""
    fields = "&".join(f"field={column}:string" for column in table["columns"] if column != "geom")
    source = f"{table['geometry']}?crs={DRAFT_CRS}&{fields}"
    layer = QgsVectorLayer(source, f"{table['title_zh']} {name}", "memory")
    if not layer.isValid():
        raise SystemExit(f"{name}: QGIS refuses the layer")
    layer.setRenderer(renderer(table, codes))
    if "label" in table:
        layer.setLabeling(labeling(table["label"], table["geometry"]))
        layer.setLabelsEnabled(True)
    for index, field in enumerate(layer.fields()):
        column = table["columns"][field.name()]
        layer.setFieldAlias(index, column["alias_zh"])
        if "values" in column:
            pairs = [{label: code} for code, label in codes[column["values"]].items()]
            layer.setEditorWidgetSetup(index, QgsEditorWidgetSetup("ValueMap", {"map": pairs}))
    if "hidden_beyond" in table:
        layer.setScaleBasedVisibility(True)
        layer.setMinimumScale(float(table["hidden_beyond"]))
        layer.setMaximumScale(0.0)
    layer.setDisplayExpression(table["display"])
    layer.setMapTipTemplate(map_tip(table["columns"]))
    layer.setTitle(table["title_zh"])
    layer.setAbstract(table["title_en"])
    layer.setShortName(name)
    layer.setReadOnly(True)
    return layer


def make_form(name: str, table: Table, codes: dict[str, Table]) -> QgsVectorLayer:
    """Return a table without shapes that people fill in, with aliases, lists and required fields."""
    fields = "&".join(
        f"field={column}:{words.get('type', 'string')}"
        for column, words in table["columns"].items()
    )
    layer = QgsVectorLayer(f"NoGeometry?{fields}", f"{table['title_zh']} {name}", "memory")
    if not layer.isValid():
        raise SystemExit(f"{name}: QGIS refuses the table")
    form = layer.editFormConfig()
    for index, field in enumerate(layer.fields()):
        column = table["columns"][field.name()]
        layer.setFieldAlias(index, column["alias_zh"])
        if field.name() in table["filled"]:
            layer.setEditorWidgetSetup(index, QgsEditorWidgetSetup("Hidden", {}))
            form.setReadOnly(index, True)
        elif "values" in column:
            pairs = [{label: code} for code, label in codes[column["values"]].items()]
            layer.setEditorWidgetSetup(index, QgsEditorWidgetSetup("ValueMap", {"map": pairs}))
        if "default" in column:
            layer.setDefaultValueDefinition(index, QgsDefaultValue(column["default"]))
        if field.name() in table["required"]:
            layer.setFieldConstraint(
                index,
                QgsFieldConstraints.ConstraintNotNull,
                QgsFieldConstraints.ConstraintStrengthHard,
            )
    layer.setEditFormConfig(form)
    layer.setDisplayExpression(table["display"])
    layer.setTitle(table["title_zh"])
    layer.setAbstract(table["title_en"])
    layer.setShortName(name)
    return layer


def make_relation(name: str, table: Table, layers: dict[str, QgsVectorLayer]) -> QgsRelation:
    """Return the relation of a form to the layer whose features its lines belong to."""
    wanted = table["relation"]
    relation = QgsRelation()
    relation.setId(f"diqi_{wanted['layer']}_{name}")
    relation.setName(wanted["name"])
    relation.setReferencedLayer(layers[wanted["layer"]].id())
    relation.setReferencingLayer(layers[name].id())
    relation.addFieldPair(wanted["column"], wanted["column"])
    if not relation.isValid():
        raise SystemExit(f"{name}: {relation.validationError()}")
    return relation


def write_qml(name: str, layer: QgsVectorLayer) -> None:
    """Write the default style of one layer."""
    document = QDomDocument()
    problem = layer.exportNamedStyle(document, QgsReadWriteContext(), CATEGORIES)
    if problem:
        raise SystemExit(f"{name}: {problem}")
    (HERE / f"{name}.qml").write_text(settle(document.toString(2)), encoding="utf-8")


def settle(text: str) -> str:
    """Take out of XML written by QGIS what differs from run to run."""
    text = re.sub(r' save(?:User|UserFull|DateTime)="[^"]*"', "", text)
    text = re.sub(r"<author>[^<]*</author>", "<author></author>", text)
    text = re.sub(
        r"<individual-layer-settings>.*?</individual-layer-settings>",
        "<individual-layer-settings/>",
        text,
        flags=re.DOTALL,
    )
    # what a relation says of its other layer beside the layer's id: that of the draft
    text = re.sub(
        r"<referencedLayers>.*?</referencedLayers>", "<referencedLayers/>", text, flags=re.DOTALL
    )
    text = re.sub(r"Annotations_[0-9a-f_]{36}", "diqi_annotations", text)
    text = re.sub(r"<creation>[^<]*</creation>", "<creation></creation>", text)
    text = re.sub(r'<date [^>]*type="Created"[^>]*/>', "", text)
    return text.rstrip() + "\n"


def project_template(
    layers: dict[str, QgsVectorLayer], forms: dict[str, Table], themes: list[Table]
) -> str:
    """Return the project as QGIS writes it, with @MARKS@ where the county's values go."""
    project = QgsProject.instance()
    project.setCrs(QgsCoordinateReferenceSystem(DRAFT_CRS))
    project.setTitle("@TITLE@")
    project.setTrustLayerMetadata(True)
    view = QgsReferencedRectangle(QgsRectangle(1, 2, 3, 4), project.crs())
    project.viewSettings().setDefaultViewExtent(view)
    project.writeEntryBool("Paths", "/Absolute", False)
    tree: QgsLayerTree = project.layerTreeRoot()
    for layer in layers.values():
        project.addMapLayer(layer, False)
        node = tree.addLayer(layer)
        node.setExpanded(False)
    for name, form in forms.items():
        if "relation" in form:
            project.relationManager().addRelation(make_relation(name, form, layers))
    model = QgsLayerTreeModel(tree)
    collection: QgsMapThemeCollection = project.mapThemeCollection()
    for theme in reversed(themes):
        for name, layer in layers.items():
            tree.findLayer(layer.id()).setItemVisibilityChecked(name in theme["layers"])
        record = QgsMapThemeCollection.createThemeFromCurrentState(tree, model)
        collection.insert(theme["name"], record)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "project.qgs"
        if not project.write(str(path)):
            raise SystemExit(f"the project was not written: {project.error()}")
        text = path.read_text(encoding="utf-8")
    return mark(settle(text), layers)


def mark(text: str, layers: dict[str, QgsVectorLayer]) -> str:
    """Put marks where the county's CRS, sources and title go, and stable ids for layers."""
    for name, layer in layers.items():
        text = text.replace(layer.id(), f"diqi_{name}")
        text = re.sub(
            rf"(<id>diqi_{name}</id>\s*<datasource>)[^<]*(</datasource>)",
            rf"\1@SOURCE:{name}@\2",
            text,
        )
        text = re.sub(
            rf'(<layer-tree-layer\b[^>]*)id="diqi_{name}"[^>]*>',
            lambda found, name=name: re.sub(
                r' source="[^"]*"', f' source="@SOURCE:{name}@"', found[0]
            ).replace('providerKey="memory"', 'providerKey="@PROVIDER@"'),
            text,
        )
    text = re.sub(
        r"<provider encoding=\"[^\"]*\">memory</provider>",
        '<provider encoding="UTF-8">@PROVIDER@</provider>',
        text,
    )
    text = re.sub(r"<DefaultViewExtent [^>]*>", "<DefaultViewExtent @EXTENT@>", text)
    return re.sub(
        r"<spatialrefsys\b(?:(?!</spatialrefsys>).)*" + DRAFT_CRS + r".*?</spatialrefsys>",
        "@SPATIALREFSYS@",
        text,
        flags=re.DOTALL,
    )


def main() -> None:
    """Write all styles, then the project template."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
    application = QgsApplication([], False)
    application.initQgis()
    codes = tomllib.loads((HERE / "codes.toml").read_text(encoding="utf-8"))
    themes = tomllib.loads((HERE / "project.toml").read_text(encoding="utf-8"))["theme"]
    layers = {}
    for name, table in read_layers().items():
        layers[name] = make_layer(name, table, codes)
        write_qml(name, layers[name])
    forms = {
        name: tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8")) for name in FORMS
    }
    for name, form in forms.items():
        layers[name] = make_form(name, form, codes)
    template = project_template(layers, forms, themes)
    (HERE / "project.qgs.in").write_text(template, encoding="utf-8")
    print(
        f"QGIS {Qgis.QGIS_VERSION}: {len(layers) - len(forms)} styles, {len(forms)} forms, "
        f"{len(themes)} themes"
    )
    sys.stdout.flush()
    # QGIS may crash while Python tears its objects down.
    os._exit(0)


if __name__ == "__main__":
    main()
