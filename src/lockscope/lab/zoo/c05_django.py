"""C05: with transaction_mode IMMEDIATE, a Django view that only reads runs in an atomic block."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import django
from django.conf import settings
from django.db import connection, models, transaction

from lockscope.lab.zoo.stage import Stage, play


def _sales(database: Path, timeout: float = 5) -> type[models.Model]:
    options = {"timeout": timeout, "transaction_mode": "IMMEDIATE"}
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": database, "OPTIONS": options}
    settings.configure(DATABASES={"default": engine})
    django.setup()

    class Sale(models.Model):
        amount = models.IntegerField()

        class Meta:
            app_label = "zoo"

    return Sale


def create(database: Path) -> Iterator[None]:
    sale = _sales(database)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
    with connection.schema_editor() as editor:
        editor.create_model(sale)
    connection.close()
    yield


def report(database: Path, how: str) -> Iterator[None]:
    sale = _sales(database)
    with transaction.atomic() if how == "ATOMIC_REQUESTS" else nullcontext():
        sale.objects.count()
        yield  # the page is rendered
        sale.objects.count()
    connection.close()


def sell(database: Path) -> Iterator[None]:
    _sales(database, timeout=0.3).objects.create(amount=5)
    connection.close()
    yield


def _played(stage: Stage, how: str) -> None:
    stage.actor(create).step()
    reporter, seller = stage.actor(report, how), stage.actor(sell)
    reporter.step()
    seller.step()
    reporter.step()


def ill(stage: Stage) -> None:
    _played(stage, "ATOMIC_REQUESTS")


def cured(stage: Stage) -> None:
    _played(stage, "non_atomic_requests")


if __name__ == "__main__":
    play(__file__, ill, cured, (create, report, sell))
