"""Where the browser finds a data set's test images: each fetched once, served by a route of the app.

As part of a message they would travel again with every change of the figures beside them.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kdlab.data.registry import DATASETS
from kdlab.server.routes import lab_path


def picture(dataset: str, index: int) -> str:
    """The address of a test image."""
    return lab_path(f"pictures/{dataset}/{index}.png")


def picture_route() -> Route:
    """Serves the images, pixel for pixel."""

    def send(request: Request) -> Response:
        dataset, index = request.path_params["dataset"], request.path_params["index"]
        found = DATASETS.get(dataset)
        if found is None or found.kind != "image" or index >= found.test_size:
            return PlainTextResponse("Not found", status_code=404)
        headers = {"Cache-Control": "public, max-age=86400"}
        return Response(_png(dataset, index), media_type="image/png", headers=headers)

    return Route(lab_path("pictures/{dataset}/{index:int}.png"), send, methods=["GET", "HEAD"])


@lru_cache(maxsize=4096)
def _png(dataset: str, index: int) -> bytes:
    image = np.round(DATASETS[dataset].load().x_test[index] * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return file.getvalue()
