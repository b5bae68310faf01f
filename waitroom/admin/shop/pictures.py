"""The operators' and sellers' call to upload a picture."""

from io import BytesIO

from aiohttp import web

from inventory.kit.doors.described import described
from inventory.kit.http import json_response
from inventory.pictures.picture import PICTURE_BYTES_MAX, TYPES, read_picture
from inventory.pictures.picture_store import PictureStore
from inventory.refusals import NotAPicture, PicturesTooMany, PictureTooLarge
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.shop.answers import KeptPicture
from waitroom.admin.uploads import receive

UPLOAD_WAIT_S = 60.0


class PicturesAdmin:
    def __init__(self, guard: Guard, *, pictures: PictureStore) -> None:
        self._guard = guard
        self._pictures = pictures

    def routes(self) -> list[web.RouteDef]:
        upload = self._guard.as_role("operator", self.upload, sellers=True, scope="stock")
        return [web.post("/admin/rooms/{room}/pictures", upload)]

    @described(
        body=bytes,
        accepts=tuple(TYPES.values()),
        answer=KeptPicture,
        status=201,
        refusals=(NotAPicture, PictureTooLarge, PicturesTooMany),
    )
    async def upload(self, request: web.Request, operator: Operator) -> web.Response:
        """Keep a picture, and return the address that a product or a SKU can name."""
        if request.content_type not in TYPES.values():
            raise NotAPicture
        file = BytesIO()
        await receive(
            request,
            file,
            bytes_max=PICTURE_BYTES_MAX,
            wait_s=UPLOAD_WAIT_S,
            too_large=PictureTooLarge(),
        )
        picture = read_picture(file.getvalue())
        await self._pictures.keep(
            picture,
            room=request.match_info["room"],
            seller=operator.scope,
            who=operator.name,
        )
        body = KeptPicture(picture=f"/pictures/{picture.name}", bytes=len(picture.body))
        return json_response(body, status=201)
