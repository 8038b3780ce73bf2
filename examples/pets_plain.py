"""Three processes insert pets into one SQLite database, the way one would write it first.

Each opens a connection, inserts a pet, is busy for three seconds, commits, closes; twice. Run it
and count the pets: some are missing, although the program ends normally.
"""

import multiprocessing
import sqlite3
import time
from contextlib import closing
from pathlib import Path

DATABASE = Path("pets_plain.db")
TASK_DURATION_SECONDS = 3.0


def recreate_database() -> None:
    """Start with an empty table."""
    drop_table()
    create_table()


def create_table() -> None:
    """Create the table of pets."""
    with closing(sqlite3.connect(DATABASE)) as connection:
        connection.execute("CREATE TABLE pets(id INTEGER PRIMARY KEY, name TEXT, breed TEXT)")
        connection.commit()


def drop_table() -> None:
    """Drop the table of pets, if there is one."""
    with closing(sqlite3.connect(DATABASE)) as connection:
        connection.execute("DROP TABLE IF EXISTS pets")
        connection.commit()


def insert_pet(name: str, breed: str) -> None:
    """Insert one pet; the task is done within the transaction."""
    try:
        with closing(sqlite3.connect(DATABASE)) as connection:
            connection.execute("INSERT INTO pets(name, breed) VALUES (?, ?)", (name, breed))
            time.sleep(TASK_DURATION_SECONDS)
            connection.commit()
        print(f"{name} was inserted", flush=True)
    except sqlite3.Error as error:
        print(f"{name} was not inserted: {error}", flush=True)


def process_one() -> None:
    """Insert the first two pets."""
    insert_pet("Ace", "Dog")
    insert_pet("Buddy", "Dog")


def process_two() -> None:
    """Insert the next two pets."""
    insert_pet("Cooper", "Rabbit")
    insert_pet("Dingo", "Dog")


def process_three() -> None:
    """Insert the last two pets."""
    insert_pet("Emma", "Rabbit")
    insert_pet("Felix", "Cat")


def main() -> None:
    """Run the three processes together, then show the table."""
    recreate_database()
    works = (process_one, process_two, process_three)
    # spawn: a forked process would carry what its parent had open into SQLite's locks.
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work) for work in works]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    with closing(sqlite3.connect(DATABASE)) as connection:
        pets = connection.execute("SELECT id, name, breed FROM pets ORDER BY id").fetchall()
    print(f"{len(pets)} pets are in the table:")
    for number, name, breed in pets:
        print(f"  {number}  {name} ({breed})")


if __name__ == "__main__":
    main()
