"""C12: two views of Django read in an atomic block, and both want to write."""

from collections.abc import Iterator
from pathlib import Path

import django
from django.conf import settings
from django.db import connection, models, transaction

from lockscope.lab.zoo.stage import Stage, play


def _accounts(database: Path, mode: str = "DEFERRED") -> type[models.Model]:
    options = {"timeout": 60, "transaction_mode": mode}
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": database, "OPTIONS": options}
    settings.configure(DATABASES={"default": engine})
    django.setup()

    class Account(models.Model):
        balance = models.IntegerField()

        class Meta:
            app_label = "zoo"

    return Account


def create(database: Path) -> Iterator[None]:
    account = _accounts(database)
    with connection.schema_editor() as editor:
        editor.create_model(account)
    account.objects.create(balance=100)
    connection.close()
    yield


def deposit(database: Path, mode: str) -> Iterator[None]:
    account = _accounts(database, mode)
    with transaction.atomic():
        own = account.objects.get()
        yield
        own.balance += 10
        own.save()
        yield
    connection.close()


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    first, second = stage.actor(deposit, "DEFERRED"), stage.actor(deposit, "DEFERRED")
    first.step()
    second.step()
    first.step()
    second.step()  # refused at once, in spite of its minute of timeout
    first.step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    first, second = stage.actor(deposit, "IMMEDIATE"), stage.actor(deposit, "IMMEDIATE")
    first.step()
    second.begin()  # waits at its BEGIN
    first.step()
    first.step()
    second.outcome()
    second.step()
    second.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, deposit))
