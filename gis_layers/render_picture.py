"""Draw one map theme of a published project, with its enterprises, in a real QGIS.

Run by ``make picture`` with the system's Python, which has the ``qgis`` package:

    render_picture.py PROJECT.qgz THEME PICTURE.png

THEME is a word of the theme's name in ``project.toml``. Layers, styles and labels are those of the
project.
"""

from __future__ import annotations

import os
import sys
import tempfile

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import (
    QgsApplication,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProject,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QRect, QSize
from qgis.PyQt.QtGui import QColor, QFont, QImage, QPainter

SIZE = QSize(1400, 900)
DPI = 96
# Drawn over the theme; the names of enterprises then stand instead of the codes of parcels.
TOP, BELOW = "enterprise", "parcel"
# The legend, in pixels: its upper left corner and the height of a line.
LEFT, TOP_EDGE, LINE = 580, 50, 26


def draw(project: QgsProject, theme: str) -> QImage:
    """Return the picture of a theme, with the enterprises on top."""
    named = {layer.shortName(): layer for layer in project.mapLayers().values()}
    visible = set(project.mapThemeCollection().mapThemeVisibleLayerIds(theme))
    order = [layer for layer in project.layerTreeRoot().layerOrder() if layer.id() in visible]
    if named[TOP] not in order:
        order.insert(0, named[TOP])
    named[BELOW].setLabelsEnabled(False)
    settings = QgsMapSettings()
    settings.setLayers(order)
    settings.setDestinationCrs(project.crs())
    settings.setTransformContext(project.transformContext())
    settings.setOutputSize(SIZE)
    settings.setOutputDpi(DPI)
    settings.setBackgroundColor(QColor("#ffffff"))
    settings.setExtent(frame(project, named[BELOW]))
    settings.setFlag(QgsMapSettings.Antialiasing)
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
    image = job.renderedImage()
    draw_legend(image, order)
    return image


def frame(project: QgsProject, parcels: QgsVectorLayer) -> QgsRectangle:
    """Return the project's first view in full width, with the parcels in the middle."""
    view = QgsRectangle(project.viewSettings().defaultViewExtent())
    width = view.width() * 1.02
    height = width * SIZE.height() / SIZE.width()
    middle = parcels.extent().center().y()
    left = view.center().x() - width / 2
    return QgsRectangle(left, middle - height / 2, left + width, middle + height / 2)


def draw_legend(image: QImage, layers: list[QgsVectorLayer]) -> None:
    """Draw the symbols of each layer but the last, the ground, one column per layer."""
    columns = [(layer.title(), layer.renderer().legendSymbolItems()) for layer in layers[:-1]]
    height = LINE * (1 + max(len(items) for _, items in columns))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.Antialiasing)
    font = QFont("WenQuanYi Micro Hei")
    font.setPixelSize(17)
    painter.setPen(QColor("#222222"))
    painter.fillRect(
        QRect(LEFT - 20, TOP_EDGE - 14, 190 * len(columns) + 20, height + 24), QColor("#ffffff")
    )
    for number, (title, items) in enumerate(columns):
        x = LEFT + number * 190
        font.setBold(True)
        painter.setFont(font)
        painter.drawText(x, TOP_EDGE + 18, title)
        font.setBold(False)
        painter.setFont(font)
        for row, item in enumerate(items, start=1):
            y = TOP_EDGE + row * LINE
            painter.drawImage(x, y + 3, item.symbol().asImage(QSize(24, 18)))
            painter.drawText(x + 34, y + 18, item.label())
    painter.end()


def main() -> None:
    """Open the project, find the theme, draw and save."""
    path, word, picture = sys.argv[1:]
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
    if not draw(project, theme).save(picture, "PNG", 0):
        raise SystemExit(f"{picture} cannot be written")
    print(f"{theme}: {picture}")
    sys.stdout.flush()
    # QGIS may crash while Python tears its objects down.
    os._exit(0)


if __name__ == "__main__":
    main()
