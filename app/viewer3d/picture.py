"""From a drawn picture to an image for a file: background, axes and colour bar. Safe on any thread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QFont, QImage, QPainter

from app.look.palette import Theme
from app.viewer3d.color_bar import HEIGHT, WIDTH, ColorBarSpec, draw_color_bar
from app.viewer3d.drawing import Picture
from app.viewer3d.tripod import draw_tripod


@dataclass(frozen=True, eq=False)
class Trimmings:
    """What is drawn over a picture.

    Attributes
    ----------
    background : "#rrggbb", or None for a transparent one.
    axes : the tripod. axes_of_cell : it shows a, b, c.
    bar : the colour bar, or None. font : of all text. theme : its colours.
    """

    background: str | None
    axes: bool
    bar: ColorBarSpec | None
    font: QFont
    theme: Theme
    axes_of_cell: bool = False


def as_image(picture: Picture) -> QImage:
    """The picture's pixels as an image that shares them: keep the picture while it is used."""
    height, width = picture.pixels.shape[:2]
    kind = QImage.Format.Format_ARGB32_Premultiplied
    return QImage(picture.pixels.data, width, height, 4 * width, kind)


def finished_image(picture: Picture, trimmings: Trimmings) -> QImage:
    """A new image with everything on it."""
    image = as_image(picture).copy()
    request = picture.request
    painter = QPainter(image)
    if trimmings.background is not None:
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_DestinationOver)
        painter.fillRect(image.rect(), QColor(trimmings.background))
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceOver)
    scale = request.pixel_ratio
    painter.scale(scale, scale)
    width, height = image.width() / scale, image.height() / scale
    if trimmings.axes:
        cell = request.scene.frame.cell if trimmings.axes_of_cell else None
        origin = QPointF(46, height - 46)
        rotation = request.camera.rotation
        draw_tripod(painter, origin, rotation, cell, dark=trimmings.theme.dark, font=trimmings.font)
    if trimmings.bar is not None:
        area = QRectF(width - WIDTH - 8, 10, WIDTH, min(HEIGHT, height - 20))
        draw_color_bar(painter, area, trimmings.bar, trimmings.font, trimmings.theme, halo=None)
    painter.end()
    return image


def finished_rgba(picture: Picture, trimmings: Trimmings) -> np.ndarray:
    """Everything on it as (height, width, 4) uint8 red, green, blue, alpha, not premultiplied."""
    image = finished_image(picture, trimmings).convertToFormat(QImage.Format.Format_RGBA8888)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return pixels[:, : 4 * image.width()].reshape(image.height(), image.width(), 4).copy()
