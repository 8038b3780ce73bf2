"""DATABASE MODE COUNT, by SQLAlchemy's object mapper."""

import sys

from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

path, mode, count = sys.argv[1:]


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "t"
    number: Mapped[int] = mapped_column(primary_key=True)
    x: Mapped[int]


engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 20})
with engine.connect() as connection:
    connection.execute(text(f"PRAGMA journal_mode={mode}"))
    connection.execute(text("CREATE TABLE IF NOT EXISTS t(number INTEGER PRIMARY KEY, x)"))
    connection.commit()
for _ in range(int(count)):
    with Session(engine) as session:
        session.add(Row(x=1))
        session.commit()
with Session(engine) as session:
    print(session.scalar(select(func.count()).select_from(Row)))
engine.dispose()
