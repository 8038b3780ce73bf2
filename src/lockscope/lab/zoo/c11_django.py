"""C11: a Django program makes its settings at every start with ignore_conflicts."""

from collections.abc import Iterator
from pathlib import Path

import django
from django.conf import settings
from django.db import connection, models, transaction

from lockscope.lab.zoo.stage import Stage, play


def _preferences(database: Path, timeout: float = 5) -> type[models.Model]:
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": database}
    settings.configure(DATABASES={"default": {**engine, "OPTIONS": {"timeout": timeout}}})
    django.setup()

    class Preference(models.Model):
        name = models.TextField(primary_key=True)

        class Meta:
            app_label = "zoo"

    return Preference


def create(database: Path) -> Iterator[None]:
    preference = _preferences(database)
    with connection.schema_editor() as editor:
        editor.create_model(preference)
    preference.objects.create(name="version")
    connection.close()
    yield


def start(database: Path, how: str) -> Iterator[None]:
    preference = _preferences(database, timeout=0.3)
    if how == "blindly" or not preference.objects.filter(name="version").exists():
        preference.objects.bulk_create([preference(name="version")], ignore_conflicts=True)
    connection.close()
    yield


def write(database: Path) -> Iterator[None]:
    preference = _preferences(database)
    with transaction.atomic():
        preference.objects.create(name="colour")
        yield
    connection.close()


def _played(stage: Stage, how: str) -> None:
    stage.actor(create).step()
    writer, first, second = stage.actor(write), stage.actor(start, how), stage.actor(start, how)
    first.step()
    writer.step()
    second.step()
    writer.step()


def ill(stage: Stage) -> None:
    _played(stage, "blindly")


def cured(stage: Stage) -> None:
    _played(stage, "after a look")


if __name__ == "__main__":
    play(__file__, ill, cured, (create, start, write))
