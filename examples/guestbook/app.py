"""A guestbook: Flask, and PostgreSQL through the DATABASE_URL that the node gives."""

import os

import psycopg2
from flask import Flask, redirect, render_template, request, url_for

app = Flask(__name__)


def connect():
    return psycopg2.connect(os.environ["DATABASE_URL"])


@app.get("/")
def show():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name, message, written_at FROM entries ORDER BY id DESC LIMIT 50")
        entries = cursor.fetchall()
    return render_template(
        "guestbook.html", entries=entries, release=os.environ.get("TOPPCLOUD_RELEASE", "development")
    )


@app.post("/")
def sign():
    name = request.form["name"].strip()[:80]
    message = request.form["message"].strip()[:1000]
    if name and message:
        with connect() as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO entries (name, message) VALUES (%s, %s)", (name, message))
    return redirect(url_for("show"))
