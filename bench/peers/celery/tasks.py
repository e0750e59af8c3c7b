"""The worker's half: one SendGrid call a task. Settings as Celery's documentation recommends for many short I/O tasks.

gevent pool (docs: Concurrency), `broker_pool_limit` as many as green threads, no rate limits and no results (docs:
Optimizing, Tasks), no gossip and mingling between workers. `acks_late`: a task is acknowledged when it is done, so
that a worker's death loses nothing; Heliograph's lanes do the same.
"""

import os

import urllib3
from celery import Celery

GREEN_THREADS = 100

app = Celery("peer", broker=os.environ["PEER_REDIS_URL"])
app.conf.update(
    broker_pool_limit=GREEN_THREADS,
    broker_transport_options={"max_connections": 2 * GREEN_THREADS},  # 10 by default: acknowledgements would fail
    task_acks_late=True,
    task_ignore_result=True,
    task_reject_on_worker_lost=True,
    worker_disable_rate_limits=True,
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=4,
)
_provider = urllib3.PoolManager(maxsize=GREEN_THREADS)
_url = f"{os.environ['PEER_SENDGRID_URL']}/v3/mail/send"
_headers = {"Authorization": f"Bearer {os.environ['PEER_SENDGRID_KEY']}"}


@app.task(autoretry_for=(Exception,), retry_backoff=True, max_retries=5)
def send_mail(to: str, title: str, body: str) -> None:
    mail = {
        "personalizations": [{"to": [{"email": to}]}],
        "from": {"email": "shop@example.com"},
        "subject": title,
        "content": [{"type": "text/plain", "value": body}],
    }
    answer = _provider.request("POST", _url, json=mail, headers=_headers, timeout=10.0)
    if answer.status != 202:
        raise RuntimeError(f"SendGrid answered {answer.status}")
