"""A small picture of a layer: enough to see at a glance whether its shapes were understood."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
from PIL import Image, ImageDraw, ImageFont

_WIDTH, _HEIGHT = 720, 560
_MARGIN, _FOOT = 16, 44
_PAPER, _FRAME, _TEXT = (255, 255, 255), (150, 150, 150), (60, 60, 60)
_FILL, _LINE = (214, 226, 240), (44, 92, 148)
_POINT = 2

_Boxes = npt.NDArray[np.float64]
_Shapes = npt.NDArray[np.object_]


def draw_layer(path: Path, boxes: _Boxes, shapes: _Shapes | None, caption: str) -> None:
    """Draw shapes into a PNG, the whole layer in view, with a scale and what the edges are.

    Shape:  boxes of all shapes, (n, 4), and the shapes themselves, None where there are too many to
            draw each by its outline, in; one file out, written whole or not at all.
    Units:  metres.
    CRS:    the county's; north is up.
    Errors: OSError where the file cannot be written.
    Source: none.
    """
    image = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(12)
    if len(boxes):
        frame = _Frame(boxes)
        if shapes is None:
            _draw_boxes(pen, frame, boxes)
        else:
            _draw_shapes(pen, frame, shapes)
        _draw_scale(pen, frame, font)
    pen.rectangle(
        (_MARGIN, _MARGIN, _WIDTH - _MARGIN, _HEIGHT - _MARGIN - _FOOT), outline=_FRAME, width=1
    )
    # the font that comes along has no Chinese
    plain = caption.encode("ascii", "replace").decode()
    pen.text((_MARGIN, _HEIGHT - _MARGIN - 16), plain, fill=_TEXT, font=font)
    data = io.BytesIO()
    image.save(data, "PNG", optimize=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data.getvalue())
    part.replace(path)


class _Frame:
    """Places of the map on the picture."""

    def __init__(self, boxes: _Boxes) -> None:
        low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        size = np.maximum(high - low, 1.0)
        self.left, self.top = float(low[0]), float(high[1])
        room = np.array([_WIDTH - 2 * _MARGIN - 8, _HEIGHT - 2 * _MARGIN - _FOOT - 8])
        self.scale = float((room / size).min())
        self.shift = (room - size * self.scale) / 2 + _MARGIN + 4

    def __call__(self, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        x = (xy[:, 0] - self.left) * self.scale + self.shift[0]
        y = (self.top - xy[:, 1]) * self.scale + self.shift[1]
        return np.column_stack([x, y])


def _draw_boxes(pen: ImageDraw.ImageDraw, frame: _Frame, boxes: _Boxes) -> None:
    """One dot or box each, without a loop over what falls on the same spot."""
    corners = np.column_stack(
        [np.floor(frame(boxes[:, [0, 3]])), np.ceil(frame(boxes[:, [2, 1]]))]
    ).astype(int)
    for box in np.unique(corners, axis=0).tolist():
        pen.rectangle(box, fill=_FILL, outline=_LINE)


def _draw_shapes(pen: ImageDraw.ImageDraw, frame: _Frame, shapes: _Shapes) -> None:
    is_point = shapely.get_type_id(shapes) == 0
    for x, y in frame(shapely.get_coordinates(shapes[is_point])).tolist():
        pen.ellipse((x - _POINT, y - _POINT, x + _POINT, y + _POINT), fill=_LINE)
    polygons = shapely.get_parts(shapely.get_parts(shapes[~is_point]))
    outer = shapely.get_exterior_ring(polygons)
    holes = shapely.get_rings(polygons)
    for rings, fill in ((outer, _FILL), (holes, None)):
        points, owner = shapely.get_coordinates(rings, return_index=True)
        placed = frame(points)
        for ring in np.split(placed, np.flatnonzero(np.diff(owner)) + 1):
            flat = [tuple(point) for point in ring.tolist()]
            if fill is not None and len(flat) > 2:
                pen.polygon(flat, fill=fill)
            elif len(flat) > 1:
                pen.line(flat, fill=_LINE, width=1)


def _draw_scale(
    pen: ImageDraw.ImageDraw, frame: _Frame, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    """A bar of a round length, a fifth of the width or less."""
    longest = _WIDTH / 5 / frame.scale
    step = 10 ** math.floor(math.log10(longest))
    length = max(step * n for n in (1, 2, 5) if step * n <= longest)
    y = _HEIGHT - _MARGIN - _FOOT + 16
    end = _MARGIN + length * frame.scale
    pen.line((_MARGIN, y, end, y), fill=_TEXT, width=3)
    label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    pen.text((end + 6, y - 7), label, fill=_TEXT, font=font)
