"""A small picture of a layer: enough to see at a glance whether its shapes were understood."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
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
_Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Drawn:
    """Shapes that are drawn alike; labels stand on them, where there are any. No fill: outlines alone."""

    shapes: _Shapes
    fill: _Colour | None
    line: _Colour
    width: int = 1
    labels: Sequence[str] = ()


def draw_map(path: Path, frame: _Boxes, groups: Sequence[Drawn], caption: str) -> None:
    """Draw several kinds of shapes into a PNG, the first at the bottom, with a scale.

    Shape:  boxes that must be in view, (n, 4), at least one, and the shapes by kind in; one file out, written
            whole or not at all. What reaches beyond the view is cut.
    Units:  metres.
    CRS:    the county's; north is up.
    Errors: OSError where the file cannot be written.
    Source: none.
    """
    image = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(12)
    placed = _Frame(frame)
    for group in groups:
        _draw_shapes(pen, placed, group.shapes, group.fill, group.line, group.width)
    for group in groups:
        points = shapely.point_on_surface(group.shapes[: len(group.labels)])
        for label, (x, y) in zip(
            group.labels, placed(shapely.get_coordinates(points)).tolist(), strict=True
        ):
            pen.text(
                (x, y - 11),
                label,
                fill=_TEXT,
                font=font,
                anchor="mm",
                stroke_width=2,
                stroke_fill=_PAPER,
            )
    _blank_margins(pen)
    _draw_scale(pen, placed, font)
    _finish(path, image, pen, font, caption)


def _blank_margins(pen: ImageDraw.ImageDraw) -> None:
    """Take away what was drawn beyond the view."""
    low = _HEIGHT - _MARGIN - _FOOT
    for box in (
        (0, 0, _WIDTH, _MARGIN),
        (0, 0, _MARGIN, _HEIGHT),
        (_WIDTH - _MARGIN, 0, _WIDTH, _HEIGHT),
        (0, low, _WIDTH, _HEIGHT),
    ):
        pen.rectangle(box, fill=_PAPER)


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
            _draw_shapes(pen, frame, shapes, _FILL, _LINE, 1)
        _draw_scale(pen, frame, font)
    _finish(path, image, pen, font, caption)


def _finish(
    path: Path,
    image: Image.Image,
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    caption: str,
) -> None:
    """Draw the border and the caption, and write the file."""
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


def _draw_shapes(
    pen: ImageDraw.ImageDraw,
    frame: _Frame,
    shapes: _Shapes,
    colour: _Colour | None,
    line: _Colour,
    width: int,
) -> None:
    is_point = shapely.get_type_id(shapes) == 0
    for x, y in frame(shapely.get_coordinates(shapes[is_point])).tolist():
        size = _POINT * width
        pen.ellipse((x - size, y - size, x + size, y + size), fill=line)
    polygons = shapely.get_parts(shapely.get_parts(shapes[~is_point]))
    outer = shapely.get_exterior_ring(polygons)
    holes = shapely.get_rings(polygons)
    for rings, fill in ((outer, colour), (holes, None)):
        points, owner = shapely.get_coordinates(rings, return_index=True)
        placed = frame(points)
        for ring in np.split(placed, np.flatnonzero(np.diff(owner)) + 1):
            flat = [tuple(point) for point in ring.tolist()]
            if fill is not None and len(flat) > 2:
                pen.polygon(flat, fill=fill)
            elif len(flat) > 1:
                pen.line(flat, fill=line, width=width)


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
