"""Lines of many loggers, each with what it says."""

from typing import Any

import pytest

from core.telemetry.log_stream.record import Record, encode_record, timestamp
from logs.records.parsing import MOST_BYTES, parse_line

NOON = 1795953600.0
"""2026-11-29T12:00:00Z."""
DAY = 86400


def parse(text: str, **options: Any) -> Record:
    return parse_line(text, "web", **{"arrived": NOON} | options)


@pytest.mark.parametrize(
    ("text", "time", "level"),
    [
        ("2026-11-29T11:00:00.123456Z [info     ] turn accepted", "11:00:00.123456", "info"),
        ("2026-11-29T12:00:00,5+01:00 DEBUG a.b - text", "11:00:00.500000", "debug"),
        ("2026/11/29 11:00:00 [error] 1#1: *5 open() failed", "11:00:00.000000", "error"),
        ('1.2.3.4 - - [29/Nov/2026:12:00:00 +0100] "GET / HTTP/1.1" 200 5', "11:00:00.000000", "info"),
        ('1.2.3.4 - - [29/Nov/2026:11:00:00 +0000] "GET / HTTP/1.1" 503 5', "11:00:00.000000", "error"),
        ("Nov 29 11:00:00 host app[12]: WARNING: low", "11:00:00.000000", "warning"),
        ("<34>1 2026-11-29T11:00:00Z host app 1 - - failed", "11:00:00.000000", "critical"),
        ("<15>Nov 29 11:00:00 host app: hello", "11:00:00.000000", "debug"),
        ("I1129 11:00:00.123456       1 file.go:12] started", "11:00:00.123456", "info"),
        ("F1129 11:00:00.123456       1 file.go:12] ended", "11:00:00.123456", "critical"),
        ("2026-11-29 11:00:00.123456+00:00 [warning] <0.222.0> disk", "11:00:00.123456", "warning"),
        ("1:M 29 Nov 2026 11:00:00.123 * Ready to accept connections", "11:00:00.123000", "info"),
        ("1:M 29 Nov 2026 11:00:00.123 # out of memory", "11:00:00.123000", "warning"),
        ("[2026-11-29 11:00:00 +0000] [7] [INFO] Starting", "11:00:00.000000", "info"),
        ("[2026-11-29 11:00:00,123: ERROR/MainProcess] broke", "11:00:00.123000", "error"),
        ("2026-11-29 11:00:00,123 - root - WARNING - careful", "11:00:00.123000", "warning"),
        ("2026-11-29 11:00:00.123 UTC [1] LOG:  ready", "11:00:00.123000", "info"),
        ("2026-11-29 11:00:00.123 | INFO     | a:b:1 - fine", "11:00:00.123000", "info"),
        ("[2026-11-29T11:00:00,123][WARN ][o.e.n.Node] text", "11:00:00.123000", "warning"),
        ("[Sun Nov 29 11:00:00.123456 2026] [core:error] [pid 1] text", "11:00:00.123456", "error"),
        ("1795950000.25 a line with an epoch", "11:00:00.250000", None),
        ("1795950000250 and one in milliseconds", "11:00:00.250000", None),
    ],
)
def test_the_stamp_and_the_level_at_the_start_of_a_line(text: str, time: str, level: str | None) -> None:
    record = parse(text)
    assert (record.time, record.level, record.message) == (f"2026-11-29T{time}Z", level, text)
    assert record.arrived is None


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("INFO:root:text", "info"),
        ('INFO:     127.0.0.1:1 - "GET / HTTP/1.1" 200 OK', "info"),
        ("11:00:00.123 [main] ERROR c.e.App - text", "error"),
        ("warn: Microsoft.Hosting[0]", "warning"),
        ("\x1b[31mERROR\x1b[0m red", "error"),
        ("Error: connect ECONNREFUSED", "error"),
        ("TypeError: x is not a function", "error"),
        ("Traceback (most recent call last):\n  File", "error"),
        ("panic: runtime error", "critical"),
        ("[crit] bad", "critical"),
        ("the user met an ERROR today", None),
        ("no information, no warning", None),
        ("Informational text", None),
        ("", None),
    ],
)
def test_a_level_is_taken_only_where_loggers_put_it(text: str, level: str | None) -> None:
    assert parse(text).level == level


@pytest.mark.parametrize(
    ("field", "level"),
    [
        ('"level":10', "trace"),
        ('"level":30', "info"),
        ('"level":60', "critical"),
        ('"level":"WARN"', "warning"),
        ('"level":"50"', "error"),
        ('"severity":"NOTICE"', "info"),
        ('"@l":"Fatal"', "critical"),
        ('"log.level":"debug"', "debug"),
        ('"log":{"level":"error"}', "error"),
        ('"levelno":20', "info"),
        ('"PRIORITY":"3"', "error"),
        ('"severityNumber":17', "error"),
        ('"level":"audit"', None),
        ('"level":true', None),
        ('"level":null', None),
    ],
)
def test_the_level_of_an_object(field: str, level: str | None) -> None:
    assert parse(f'{{"msg":"x",{field}}}').level == level


def test_an_object_is_taken_apart() -> None:
    record = parse(
        '{"level":30,"time":1795950000123,"service":"shop","msg":"sold","sessionId":"s1","req":{"id":7},"n":1}'
    )
    assert (record.time, record.service, record.message) == ("2026-11-29T11:00:00.123000Z", "shop", "sold")
    assert record.fields == {"req": {"id": 7}, "n": 1, "session_id": "s1", "request_id": "7"}


def test_an_object_behind_a_prefix() -> None:
    record = parse('2026-11-29T11:00:00Z web-1 | {"level":"error","msg":"bad","n":1}')
    assert (record.time[11:19], record.level, record.fields) == ("11:00:00", "error", {"n": 1})
    assert record.message == "2026-11-29T11:00:00Z web-1 | bad"


def test_an_object_without_a_message_is_its_own() -> None:
    assert parse('{"a":{"b":[1,null]}}').message == '{"a":{"b":[1,null]}}'


def test_what_only_looks_like_an_object_is_text() -> None:
    for text in ("{not json}", "{}", '{"a":1', "a {b}", '{"a":1}}'):
        record = parse(text)
        assert (record.message, record.fields) == (text, {})


def test_pythons_nan() -> None:
    assert parse('{"msg":"m","loss":NaN}').fields == {"loss": "NaN"}


def test_the_stack_trace_of_an_object_stands_below_its_message() -> None:
    record = parse('{"event":"broke","level":"error","exception":"Traceback\\n  File\\nValueError: x"}')
    assert record.message == "broke\nTraceback\n  File\nValueError: x"


def test_dockers_own_files_are_unwrapped() -> None:
    record = parse('{"log":"WARN low\\n","stream":"stdout","time":"2026-11-29T11:00:00.5Z"}')
    assert (record.message, record.level, record.time) == ("WARN low", "warning", "2026-11-29T11:00:00.500000Z")


@pytest.mark.parametrize("name", ["request_id", "requestId", "request.id", "x-request-id", "traceId", "trace.id"])
def test_the_ids_by_which_lines_are_asked_for(name: str) -> None:
    assert parse(f'{{"msg":"x","{name}":"r-1"}}').fields["request_id"] == "r-1"


def test_a_request_id_goes_before_a_trace_id() -> None:
    assert parse('{"trace_id":"t","request_id":"r"}').fields == {"trace_id": "t", "request_id": "r"}


def test_a_small_number_is_no_time() -> None:
    record = parse('{"msg":"x","time":0.25}', said=NOON)
    assert (record.time, record.fields) == ("2026-11-29T12:00:00.000000Z", {"time": 0.25})


def test_what_the_source_said_is_the_time_of_a_line_that_has_none() -> None:
    record = parse("text", said=NOON - 5)
    assert (record.time, record.arrived) == ("2026-11-29T11:59:55.000000Z", None)
    record = parse("text")
    assert record.time == record.arrived == "2026-11-29T12:00:00.000000Z"


def test_a_local_time_is_understood_by_what_the_source_said() -> None:
    assert parse("2026-11-29 17:30:00,250 INFO x", said=NOON + 0.3).time == "2026-11-29T12:00:00.250000Z"
    assert parse("2026-11-29 17:37:00,250 INFO x", said=NOON + 0.3).time == "2026-11-29T17:37:00.250000Z"


@pytest.mark.parametrize("time", [NOON + 2 * DAY, 0, 86400 * 365])
def test_a_wrong_clock(time: float) -> None:
    record = parse(f'{{"msg":"x","time":"{timestamp(time)}"}}')
    assert record.arrived == "2026-11-29T12:00:00.000000Z"
    assert record.time != record.arrived


def test_a_year_that_is_not_told_is_the_nearest() -> None:
    new_year = 1798761600.0
    assert parse("Dec 31 23:59:59 host a: x", arrived=new_year + 5).time == "2026-12-31T23:59:59.000000Z"
    assert parse("Jan  1 00:00:01 host a: x", arrived=new_year - 5).time == "2027-01-01T00:00:01.000000Z"
    assert parse("Feb 29 00:00:01 host a: x", arrived=NOON).time == "2026-11-29T12:00:00.000000Z"


def test_logfmt() -> None:
    record = parse('time=2026-11-29T11:00:00Z level=warn msg="say \\"hi\\"" url=http://a/?b=c request_id=r')
    assert (record.time[11:19], record.level, record.message) == ("11:00:00", "warning", 'say "hi"')
    assert record.fields == {"url": "http://a/?b=c", "request_id": "r"}


@pytest.mark.parametrize(
    "text", ["https://a.de/?b=c&d=e", "a=b", "GET /x?a=b level=info msg=x", "x=1 and y=2", "x = 1"]
)
def test_what_has_an_equals_sign_need_not_be_logfmt(text: str) -> None:
    record = parse(text)
    assert (record.message, record.fields) == (text, {})


def test_pairs_of_structlogs_lines_for_people() -> None:
    head = "\x1b[2m2026-11-29T11:00:00Z\x1b[0m [\x1b[32minfo     \x1b[0m] done  "
    text = f"{head}\x1b[36maction\x1b[0m=\x1b[35ma.b\x1b[0m x='it is' session_id=s service=api msg=m"
    record = parse(text)
    assert (record.message, record.level, record.service) == (text, "info", "api")
    assert record.fields == {"action": "a.b", "x": "it is", "session_id": "s", "message": "m"}


def test_a_line_is_cut_and_says_so() -> None:
    record = parse("é" * MOST_BYTES, cut=3)
    assert len(record.message.encode()) == MOST_BYTES
    assert record.cut == MOST_BYTES + 3
    assert parse("a" * MOST_BYTES).cut == 0


def test_what_no_json_can_hold_is_replaced() -> None:
    record = parse('{"msg":"a","x":"\ud800","n":123456789012345678901234567890}')
    assert b"\xef\xbf\xbd" in encode_record(record)
