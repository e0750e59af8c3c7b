"""The API's half: POST /send validates, enqueues, answers 202.

`def`, not `async def`, as FastAPI's documentation says for calls that block.
"""

import uuid
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from tasks import send_mail

app = FastAPI()


class To(BaseModel):
    id: str
    email: str


class Send(BaseModel):
    to: To
    type: str
    category: str
    title: str
    body: str
    data: dict[str, Any]
    action_url: str


@app.post("/send", status_code=202)
def send(one: Send) -> dict[str, str]:
    number = str(uuid.uuid4())
    send_mail.apply_async((one.to.email, one.title, one.body), task_id=number)
    return {"id": number, "status": "accepted"}


@app.get("/readyz")
def ready() -> dict[str, str]:
    return {}
