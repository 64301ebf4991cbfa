"""Outgoing HTTP: `answer = judge(await http.call("GET", url))`, then use it; the error says what the loop does next."""

from streams.http.answer import DEFAULT, Answer, Row, Table, Verdict, http_date_ms, judge
from streams.http.budget import Budget, Purpose
from streams.http.client import HttpClient
from streams.http.redact import Redactor

__all__ = ["DEFAULT", "Answer", "Budget", "HttpClient", "Purpose", "Redactor", "Row", "Table", "Verdict", "http_date_ms", "judge"]
