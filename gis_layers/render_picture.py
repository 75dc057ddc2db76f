"""Draw one map theme of a published project in a real QGIS, with its legend.

Run by ``make picture`` with the system's Python, which has the ``qgis`` package:

    render_picture.py PROJECT.qgz THEME PICTURE.png [PLACE]

THEME is a word of the theme's name in ``project.toml``. PLACE is the name of a township or zone: its
industrial land is drawn, with the enterprises on top; without it the whole county. Layers, styles
and labels are those of the project, and the scale decides what is seen, as on the screen.
"""

from __future__ import annotations

import os
import sys
import tempfile

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import (
    QgsApplication,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsLabelingEngineSettings,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProject,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor, QFont, QImage, QPainter

HEIGHT = 900  # of the picture, in pixels
WIDEST = 1150  # the map, in pixels; the legend stands beside it
# Dots per inch, which decide the scale: the county beyond 1:50,000, where townships have their
# colour, the land of a zone within 1:5,000, where enterprises have their names.
COUNTY_DPI, PLACE_DPI = 144, 110
COUNTY_MARGIN, PLACE_MARGIN = 0.02, 0.06  # around what is drawn, as a share of it
UNITS, ENTERPRISES, PARCELS, PATCHES = (
    "township_coverage",
    "enterprise",
    "parcel",
    "industrial_patch",
)
# The legend, in pixels: its width, its inner margin, the height of a line and of its text.
PANEL, INSET, LINE, TEXT = 270, 22, 28, 17


def draw(project: QgsProject, theme: str, place: str | None) -> QImage:
    """Return the picture of a theme, with its legend on the right."""
    named = {layer.shortName(): layer for layer in project.mapLayers().values()}
    visible = set(project.mapThemeCollection().mapThemeVisibleLayerIds(theme))
    order = [layer for layer in project.layerTreeRoot().layerOrder() if layer.id() in visible]
    if place is not None and named[ENTERPRISES] not in order:
        order.insert(0, named[ENTERPRISES])
        # the names of enterprises stand instead of the codes of parcels
        named[PARCELS].setLabelsEnabled(False)
    if place is None:
        dpi, margin = COUNTY_DPI, COUNTY_MARGIN
        view = QgsRectangle(project.viewSettings().defaultViewExtent())
    else:
        dpi, margin = PLACE_DPI, PLACE_MARGIN
        view = industrial_land(named[UNITS], named[PATCHES], place)
    view.grow(margin * max(view.width(), view.height()))
    settings = QgsMapSettings()
    settings.setLayers(order)
    settings.setDestinationCrs(project.crs())
    settings.setTransformContext(project.transformContext())
    settings.setOutputSize(QSize(min(WIDEST, round(HEIGHT * view.width() / view.height())), HEIGHT))
    settings.setOutputDpi(dpi)
    settings.setBackgroundColor(QColor("#ffffff"))
    settings.setExtent(view)
    settings.setFlag(QgsMapSettings.Antialiasing)
    labels = project.labelingEngineSettings()
    # no names that the edge cuts off
    labels.setFlag(QgsLabelingEngineSettings.UsePartialCandidates, False)
    settings.setLabelingEngineSettings(labels)
    context = QgsExpressionContext()
    context.appendScopes(QgsExpressionContextUtils.globalProjectLayerScopes(None))
    context.appendScope(QgsExpressionContextUtils.mapSettingsScope(settings))
    settings.setExpressionContext(context)
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    problems = [f"{error.layerID}: {error.message}" for error in job.errors()]
    if problems:
        raise SystemExit("\n".join(problems))
    shown = [layer for layer in order if layer.isInScaleRange(settings.scale())]
    # the units fade where something is drawn on them
    shown = [layer for layer in shown if layer != named[UNITS]] or shown
    heading = [project.title() if place is None else place, theme.split(maxsplit=1)[0]]
    return with_legend(job.renderedImage(), heading, shown)


def industrial_land(units: QgsVectorLayer, patches: QgsVectorLayer, place: str) -> QgsRectangle:
    """Return the extent of the industrial patches in a township or zone."""
    named = QgsExpression.createFieldEqualityExpression("name", place)
    unit = next(units.getFeatures(named), None)
    if unit is None:
        raise SystemExit(f"no township or zone {place}")
    view = QgsRectangle()
    view.setMinimal()
    for patch in patches.getFeatures(unit.geometry().boundingBox()):
        if unit.geometry().intersects(patch.geometry().pointOnSurface()):
            view.combineExtentWith(patch.geometry().boundingBox())
    if view.isNull():
        raise SystemExit(f"no industrial land in {place}")
    return view


def with_legend(image: QImage, heading: list[str], layers: list[QgsVectorLayer]) -> QImage:
    """Return the picture with a panel that holds the heading and the symbols of the layers."""
    picture = QImage(image.width() + PANEL, image.height(), QImage.Format_RGB32)
    picture.fill(QColor("#ffffff"))
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.Antialiasing)
    painter.drawImage(0, 0, image)
    painter.setPen(QColor("#222222"))
    font = QFont("WenQuanYi Micro Hei")
    left, bottom = image.width() + INSET, INSET

    def write(text: str, x: int, *, size: int = TEXT, is_bold: bool = False) -> None:
        font.setPixelSize(size)
        font.setBold(is_bold)
        painter.setFont(font)
        painter.drawText(x, bottom, text)

    for text, size in zip(heading, (TEXT + 8, TEXT + 3), strict=True):
        bottom += size + 12
        write(text, left, size=size, is_bold=True)
    for layer in layers:
        bottom += 2 * LINE
        write(layer.title(), left, is_bold=True)
        for item in layer.renderer().legendSymbolItems():
            bottom += LINE
            painter.drawImage(left, bottom - 15, item.symbol().asImage(QSize(24, 18)))
            write(item.label(), left + 34)
    painter.end()
    return picture


def main() -> None:
    """Open the project, find the theme, draw and save."""
    path, word, picture, *places = sys.argv[1:]
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    if not project.read(path):
        raise SystemExit(f"{path}: {project.error()}")
    names = project.mapThemeCollection().mapThemes()
    theme = next((name for name in names if word.casefold() in name.casefold()), None)
    if theme is None:
        raise SystemExit(f"no theme {word}; there are: {', '.join(sorted(names))}")
    if not draw(project, theme, places[0] if places else None).save(picture, "PNG", 0):
        raise SystemExit(f"{picture} cannot be written")
    print(f"{theme}: {picture}")
    sys.stdout.flush()
    # QGIS may crash while Python tears its objects down.
    os._exit(0)


if __name__ == "__main__":
    main()
