"""An alert that fires, as it is kept in Redis and told."""

from hashlib import blake2b

import msgspec

from core.telemetry.log_stream.record import timestamp
from logs.alerts.rules import Rule


class Alert(msgspec.Struct):
    name: str
    text: str
    severity: str
    service: str
    since: float
    until: float | None = None
    """When it was over."""
    is_told: bool = False
    """That it fires; once it is over and that is told, it is gone."""


def alert_of(rule: Rule, says: str, now: float) -> Alert:
    return Alert(rule.name, rule.text or says, rule.severity, ", ".join(rule.service), now)


def alertmanager_message(alerts: list[Alert]) -> dict[str, object]:
    """Version 4 of Alertmanager's webhook format, which other receivers understand as well."""
    status = "firing" if any(alert.until is None for alert in alerts) else "resolved"
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "hopstream",
        "groupLabels": {},
        "commonLabels": {"source": "hopstream"},
        "commonAnnotations": {},
        "externalURL": "",
        "alerts": [_told(alert) for alert in alerts],
    }


def _told(alert: Alert) -> dict[str, object]:
    labels = {"alertname": alert.name, "severity": alert.severity, "source": "hopstream"}
    if alert.service:
        labels["service"] = alert.service
    return {
        "status": "firing" if alert.until is None else "resolved",
        "labels": labels,
        "annotations": {"summary": alert.text},
        "startsAt": timestamp(alert.since),
        "endsAt": timestamp(alert.until) if alert.until is not None else "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": blake2b(repr(sorted(labels.items())).encode(), digest_size=8).hexdigest(),
    }
