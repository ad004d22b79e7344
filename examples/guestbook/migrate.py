"""The release command: runs with the new code before any visitor sees it. May run on every push."""

from app import connect

with connect() as connection, connection.cursor() as cursor:
    cursor.execute(
        """
        CREATE TABLE IF NOT EXISTS entries (
            id serial PRIMARY KEY,
            name text NOT NULL,
            message text NOT NULL,
            written_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    cursor.execute("SELECT count(*) FROM entries")
    print(f"guestbook: table is there, {cursor.fetchone()[0]} entries")
