"""The pets workload: the experiment that lockscope began with."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from lockscope.lab.plan import Plan
from lockscope.lab.workload import Row, Turn

__all__ = ["Pets"]

_NAMES: Final = (
    *("Ace", "Buddy", "Cooper", "Dingo", "Emma", "Felix", "Ginger", "Hazel", "Iggy", "Jasper"),
    *("Koda", "Luna", "Milo", "Nala", "Oscar", "Pepper", "Quincy", "Rosie", "Simba", "Toby"),
    *("Uma", "Violet", "Willow", "Xena", "Yogi", "Ziggy"),
)
_FIRST_BREEDS: Final = ("Dog", "Dog", "Rabbit", "Dog", "Rabbit", "Cat")
_BREEDS: Final = ("Dog", "Cat", "Rabbit")
_PETS_OF_ONE: Final = 2
"""Pets of one worker in the original experiment."""


class Pets:
    """Each transaction inserts one pet, stays in the transaction for the task, and commits."""

    def setup(self, connection: sqlite3.Connection, plan: Plan) -> None:
        """Drop the table of the run before, if any, and create it."""
        del plan
        connection.execute("DROP TABLE IF EXISTS pets")
        connection.execute("CREATE TABLE pets(id INTEGER PRIMARY KEY, name TEXT, breed TEXT)")

    def work(self, turn: Turn) -> None:
        """Insert the pet and do the slow part."""
        pet = (turn.key, _breed(turn.worker, turn.number))
        turn.connection.execute("INSERT INTO pets(name, breed) VALUES (?, ?)", pet)
        turn.task()

    def check(self, connection: sqlite3.Connection) -> Sequence[Row]:
        """Every pet, in the order of arrival."""
        pets = connection.execute("SELECT id, name, breed FROM pets ORDER BY id")
        return [Row(name, {"id": id_, "name": name, "breed": breed}) for id_, name, breed in pets]

    def key(self, worker: int, number: int) -> str:
        """The pet's name: two letters of the alphabet a worker, `Ace 1.3` for the third of P1."""
        index = _index(worker, number)
        plain = number <= _PETS_OF_ONE and index < len(_NAMES)
        name = _NAMES[index % len(_NAMES)]
        return name if plain else f"{name} {worker}.{number}"


def _index(worker: int, number: int) -> int:
    return _PETS_OF_ONE * (worker - 1) + (number - 1) % _PETS_OF_ONE


def _breed(worker: int, number: int) -> str:
    index = _index(worker, number)
    if number <= _PETS_OF_ONE and index < len(_FIRST_BREEDS):
        return _FIRST_BREEDS[index]
    return _BREEDS[(worker + number) % len(_BREEDS)]
