"""DATABASE MODE COUNT, by Django's object mapper."""

import sys

import django
from django.conf import settings

path, mode, count = sys.argv[1:]
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": path,
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        }
    },
    INSTALLED_APPS=[],
)
django.setup()

from django.db import connection, models, transaction  # noqa: E402


class Row(models.Model):
    x = models.IntegerField()

    class Meta:
        app_label = "foreign"
        db_table = "t"


with connection.cursor() as cursor:
    cursor.execute(f"PRAGMA journal_mode={mode}")
    cursor.execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, x)")
for _ in range(int(count)):
    with transaction.atomic():
        Row(x=1).save(force_insert=True)
print(Row.objects.count())
connection.close()
