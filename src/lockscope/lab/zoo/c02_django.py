"""C02: a Django program pays within transaction.atomic, which has already written."""

from collections.abc import Iterator
from pathlib import Path

import django
from django.conf import settings
from django.db import connection, models, transaction

from lockscope.lab.zoo.stage import Stage, play


def _orders(database: Path, timeout: float = 5) -> type[models.Model]:
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": database}
    settings.configure(DATABASES={"default": {**engine, "OPTIONS": {"timeout": timeout}}})
    django.setup()

    class Order(models.Model):
        item = models.TextField()

        class Meta:
            app_label = "zoo"

    return Order


def create(database: Path) -> Iterator[None]:
    order = _orders(database)
    with connection.schema_editor() as editor:
        editor.create_model(order)
    connection.close()
    yield


def order_then_pay(database: Path) -> Iterator[None]:
    order = _orders(database)
    with transaction.atomic():
        placed = order.objects.create(item="lamp")
        yield  # a payment, a mail, a file: whatever takes long
        placed.item = "lamp, paid"
        placed.save()
    connection.close()


def pay_then_order(database: Path) -> Iterator[None]:
    order = _orders(database)
    yield
    order.objects.create(item="lamp, paid")
    connection.close()


def other(database: Path) -> Iterator[None]:
    _orders(database, timeout=0.3).objects.create(item="chair")
    connection.close()
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    slow, quick = stage.actor(order_then_pay), stage.actor(other)
    slow.step()
    quick.step()
    slow.step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    slow, quick = stage.actor(pay_then_order), stage.actor(other)
    slow.step()
    quick.step()
    slow.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, order_then_pay, pay_then_order, other))
